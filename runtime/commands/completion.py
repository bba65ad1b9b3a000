"""`actionrun completion`: what a shell needs to complete commands, options and studies."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence

from actionrun.runtime.cli import argument_parser
from actionrun.spec.examples import examples
from actionrun.spec.templates import kinds

BASH = """# actionrun completion: bash (and zsh by bashcompinit)
_actionrun() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    case "${{COMP_WORDS[1]}} $prev" in
{after}
    esac
    if [ -z "$words" ]; then
        if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; else
            case "${{COMP_WORDS[1]}}" in
{options}
            esac
        fi
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur") $(compgen -f -- "$cur"))
}}
complete -o filenames -F _actionrun actionrun
"""


def completion(options: Namespace) -> int:
    """Print the completion of a shell."""
    commands = subcommands(argument_parser())
    if options.shell == "fish":
        print("\n".join(_fish(commands)))
        return 0
    if options.shell == "zsh":
        print("autoload -U +X bashcompinit && bashcompinit")
    print(_bash(commands), end="")
    return 0


def subcommands(parser: ArgumentParser) -> Mapping[str, ArgumentParser]:
    """The commands of a parser by their names."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}


def _named(command: ArgumentParser) -> list[argparse.Action]:
    return [action for action in command._actions if action.option_strings]


def _values(name: str, command: ArgumentParser) -> list[str]:
    """What may stand behind a command beside files."""
    if name == "new":
        return [*kinds(), *(one.name for one in examples())]
    return [
        str(one)
        for action in command._actions
        if not action.option_strings
        for one in action.choices or ()
    ]


def _bash(commands: Mapping[str, ArgumentParser]) -> str:
    options, after = [], []
    for name, command in commands.items():
        words = [flag for action in _named(command) for flag in action.option_strings]
        options.append(
            f'{" " * 16}{name}) words="{" ".join([*words, *_values(name, command)])}" ;;'
        )
        for action in _named(command):
            if action.choices:
                cases = "|".join(f'"{name} {flag}"' for flag in action.option_strings)
                after.append(f'{" " * 8}{cases}) words="{" ".join(map(str, action.choices))}" ;;')
    return BASH.format(
        commands=" ".join(commands), options="\n".join(options), after="\n".join(after)
    )


def _fish(commands: Mapping[str, ArgumentParser]) -> Sequence[str]:
    lines = ["# actionrun completion: fish"]
    helps = {name: (command.description or "").rstrip(".") for name, command in commands.items()}
    for name, about in helps.items():
        lines.append(
            f"complete -c actionrun -n __fish_use_subcommand -a {name} -d {_quoted(about)}"
        )
    for name, command in commands.items():
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        for value in _values(name, command):
            lines.append(f"complete -c actionrun {seen} -a {value}")
        for action in _named(command):
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in action.option_strings
            )
            line = f"complete -c actionrun {seen} {flags} -d {_quoted(action.help or '')}"
            if action.choices:
                line += f" -x -a {_quoted(' '.join(map(str, action.choices)))}"
            lines.append(line)
    return lines


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
