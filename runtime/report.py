from .folder import Folder


def write_report(folder: Folder) -> None:
    pass
