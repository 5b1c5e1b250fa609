"""hpn_lite: points, prototypes, neurons and labels on the hypersphere.

The module behind the book *Learning on the Hypersphere*. It is flat, and small enough to read in an evening:

    sphere      directions, distances, moving on the sphere, room, bounds on the largest cosine
    energy      Riesz energies and their relatives, of any size, differentiable
    points      where to put K points: closed forms and solvers
    reference   best known values, with their sources
    plots       matplotlib figures
    labs        things to play with on a page, without a kernel

Importing it needs torch and numpy alone.
"""

__version__ = "0.1.0"
