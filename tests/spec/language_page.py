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

LJ_LIQUID = """\
study = "om"
title = "Liquid argon: the path of least action between two states"

[system]
particles = 500
dimension = 3
mass = "m"
pair = "4*eps*((sigma/r)^12 - (sigma/r)^6)"
cutoff = "2.5*sigma"
box = { density = "0.7876/sigma^3" }

[parameters]              # reduced units; for argon sigma = 3.4 Å, tau = 2.06 ps
eps = 1.0
sigma = 1.0
m = 1.0

[ends]
from = "md"               # a reference run gives both ends; its interior only scores the result
given = ["positions", "velocities"]
temperature = 0.81
md = { dt = 0.001, equilibration = 20.0 }

[path]
duration = 0.5            # 1 ps
points = 32
"""

LJ38 = """\
study = "om"
title = "LJ38: incomplete Mackay icosahedron to fcc truncated octahedron"

[system]
particles = 38
dimension = 3
pair = "4*((1/r)^12 - (1/r)^6)"

[ends]
start = "structures/lj38_ico.xyz"
end = "structures/lj38_fcc.xyz"
align = true              # best rotation, inversion and relabelling of identical atoms

[path]
duration = 1.0
points = 101

[refine]
barrier = true            # from the path to verified saddles and the minima between them
alignments = 10
searches = 20000          # budget of saddle searches
"""

VERLET_PNN = """\
study = "pnn"
title = "The simplest map that moves a particle one step ahead in a Lennard-Jones well"

[system]
coordinates = ["x"]
lagrangian = "m*x'^2/2 - 4*eps*((sigma/x)^12 - (sigma/x)^6)"

[parameters]
m = "26.982 u"
eps = "0.5 eV"
sigma = "2.5 angstrom"

[data]
energies = { train = [-0.999, -0.895, -0.797, -0.733], test = [-0.884] }   # in units of eps
energy_unit = "eps"
dt = "1 fs"
points = 10000            # pairs per energy
substeps = 10             # reference: velocity Verlet with dt/substeps, from the minimum, moving inward

[search]
inputs = ["x", "x'"]
outputs = ["x(t+dt)", "x'(t+dt)"]
layers = [2, 2, 2]
force = 2                 # the middle layer also feels F(x) of the Lagrangian
activations = ["linear", "relu", "tanh", "elu"]                            # scored 0, 1, 2, 3
weights = ["0", "1/2", "1", "2", "dt/2", "dt", "2*dt", "trainable"]
parsimony = 1.0
population = 200
generations = 50
"""

MELTING = """\
study = "pnn"
title = "Melting laws"

[data]
file = "data/elements.csv"

[data.columns]
Tm = "melting_point [K]"
K = "bulk_modulus [GPa]"
G = "shear_modulus [GPa]"
rho = "density [g/cm^3]"
m = "atomic_mass [u]"

[define]
a = "(m/rho)^(1/3)"
vs = "sqrt(G/rho)"
vp = "sqrt((K + 4*G/3)/rho)"
vm = "(3/(1/vp^3 + 2/vs^3))^(1/3)"
theta0 = "hbar*vm/(k_B*a)"
theta1 = "hbar^2/(m*a^2*k_B)"
theta2 = "a^3*G/k_B"
theta3 = "a^3*K/k_B"

[search]
inputs = ["theta1/theta0", "theta2/theta0", "theta3/theta0"]
outputs = ["Tm/theta0"]
layers = [3]
bias = true               # of the output
activations = ["linear", "square", "inverse", "product", "tanh"]
weights = ["0", "1", "trainable"]
population = 200
generations = 50

[test]
fraction = 0.2
folds = 5

[compare]
Lindemann = "C*theta0^2/theta1"
Debye = "C*theta0"
"""

# The siblings that the page describes in words.
LJ_LIQUID_32 = LJ_LIQUID.replace("500", "32").replace("2.5*sigma", "1.7*sigma")
LJ_LIQUID_PAPER = (
    LJ_LIQUID
    + """
[network]
hidden = 125
activation = "sigmoid"

[loss]
boundary = 20.0
energy = 1.0

[training]
optimizer = "nadam"
epochs = 200000
"""
)
LJ13 = (
    LJ38.replace("38", "13")
    .replace("lj13_ico", "lj13_cubo")
    .replace("lj13_fcc", "lj13_ico")
    .replace("101", "41")
    .replace("alignments = 10", "alignments = 1")
)
VERLET_PNN_PAPER = VERLET_PNN.replace("force = 2", 'force = "network"') + 'method = "paper"\n'
DAMPED_PNN = VERLET_PNN.replace(
    "\n[parameters]",
    'nonconservative = "-gamma*x_plus\'*x_minus"\n\n[parameters]\ngamma = "0.004 eV*ps/angstrom^2"',
)

STUDIES = {
    "dho_ggl": DHO_GGL,
    "poynting_robertson": POYNTING_ROBERTSON,
    "pendulum_constraint": PENDULUM_CONSTRAINT,
    "kepler_transformed": KEPLER_TRANSFORMED,
    "dho_family": DHO_FAMILY,
    "pendulum_measured": PENDULUM_MEASURED,
    "lj_liquid": LJ_LIQUID,
    "lj_liquid_32": LJ_LIQUID_32,
    "lj_liquid_paper": LJ_LIQUID_PAPER,
    "lj38": LJ38,
    "lj13": LJ13,
    "verlet_pnn": VERLET_PNN,
    "verlet_pnn_paper": VERLET_PNN_PAPER,
    "damped_pnn": DAMPED_PNN,
    "melting": MELTING,
}
