"""The studies of the language page, word for word."""

# ruff: noqa: E501

DHO_GGL = """\
study = "ggl"
title = "Damped harmonic oscillator"

[system]
coordinates = ["q"]
lagrangian = "m*q'^2/2 - k*q^2/2"
nonconservative = "-lam*q_plus'*q_minus"

[parameters]
m = 1.0
k = 1.0
lam = 0.1

[define]
w = "sqrt(k/m - (lam/(2*m))^2)"

[start]
position = { q = 1.0 }
velocity = { q = 0.0 }

[integrator]
r = 2
dt = 0.1
steps = 1000

[exact]
q = "exp(-lam*t/(2*m))*(cos(w*t) + lam/(2*m*w)*sin(w*t))"
"""

POYNTING_ROBERTSON = """\
study = "ggl"
title = "Poynting-Robertson drag on a dust grain"

[system]
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 + (1 - beta)*GM/|q|"
nonconservative = "-beta*GM/(c*|q_plus|^2)*(dot(q_plus', q_minus) + dot(q_plus', q_plus)*dot(q_plus, q_minus)/|q_plus|^2)"

[parameters]              # au, yr, solar masses
GM = 39.478758435
beta = 0.01153812
c = 63241.3

[define]
mu = "(1 - beta)*GM"

[start]
position = { q = [0.8, 0.0] }
velocity = { q = [0.0, "sqrt(mu*1.2/0.8)"] }

[integrator]
r = 4
dt = 0.02
steps = 300000
save_every = 100

[compare]
methods = ["rk4"]
"""

PENDULUM_CONSTRAINT = """\
study = "ggl"
title = "A pendulum as a bead on a rigid rod"

[system]
coordinates = ["x", "y"]
lagrangian = "m*(x'^2 + y'^2)/2 - m*g*y"
constraints = ["x^2 + y^2 = l^2"]

[parameters]
m = "1 kg"
l = "1 m"
g = "9.81 m/s^2"

[start]
position = { x = "0.9092974268256817 m", y = "0.4161468365471424 m" }   # 2 rad from the lowest point
velocity = { x = "0 m/s", y = "0 m/s" }

[integrator]
r = 2
dt = "10 ms"
steps = 10000
"""

KEPLER_TRANSFORMED = """\
study = "ggl"
title = "Kepler orbit of eccentricity 0.9, time transformed"

[system]
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 + 1/|q|"

[start]
position = { q = [0.1, 0.0] }
velocity = { q = [0.0, "sqrt(1.9/0.1)"] }

[integrator]
r = 4
steps = 1600
dt = "2*pi/80"            # of the transformed time: 80 steps an orbit
time_transform = "|q|"
"""

DHO_FAMILY = """\
study = "family"
title = "Which damped oscillator made this motion?"

[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
nonconservative = "-c3*q_plus'*q_minus"
constraints = ["c1 > 0", "c2 >= 0", "c3 >= 0"]

[coefficients]
c1 = [0.01, 20.0]
c2 = { range = [0.0, 20.0], zero = 0.05 }
c3 = { range = [0.0, 20.0], zero = 0.05 }

[start]
position = { q = 0.0 }
momentum = { q = 1.0 }

[integrator]
r = 2
dt = 0.1
steps = 40

[observe]
variables = ["q", "pi"]

[training]
steps = 20000             # of fresh batches; a budget in steps is reproducible, one in minutes is not

[test]
systems = 1000
cases = [{ c1 = 2.0, c2 = 4.0, c3 = 1.0 }, { c1 = 2.0, c2 = 0.0, c3 = 0.0 }]
"""

PENDULUM_MEASURED = """\
study = "family"
title = "A measured pendulum"

[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + w2*cos(q - q0)"
nonconservative = "-gamma*q_plus'*q_minus"
constraints = ["w2 > 0", "gamma >= 0"]

[coefficients]
w2 = [0.1, 10.0]
gamma = [0.0, 1.0]
q0 = [-0.2, 0.2]

[integrator]
r = 2
dt = 0.08333333

[data]
file = "pendulum.csv"
columns = { t = "t", q = "q" }

[network]
kind = "none"             # fit this one motion: linear least squares, then Levenberg-Marquardt
"""

STUDIES = {
    "dho_ggl": DHO_GGL,
    "poynting_robertson": POYNTING_ROBERTSON,
    "pendulum_constraint": PENDULUM_CONSTRAINT,
    "kepler_transformed": KEPLER_TRANSFORMED,
    "dho_family": DHO_FAMILY,
    "pendulum_measured": PENDULUM_MEASURED,
}
