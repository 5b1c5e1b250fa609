"""hpn_lite: points, prototypes, neurons and labels on the hypersphere.

The module behind the book *Learning on the Hypersphere*. It is flat, and small enough to read in an evening:

    bounds      how far apart K points can be at best
    sphere      directions, distances, moving on the sphere, room; offers the bounds too
    energy      Riesz energies and their relatives, of any size, differentiable
    descent     downhill on the sphere, many starts at once
    points      where to put K points; its parts are formulas, codes, blockcodes (answers known), solvers, packing,
                search and evolution (it has to be found), fused (the fast inner loops)
    reference   best known values, with their sources
    words, semantics   word vectors, and points that keep their order
    losses, heads      squared cosines and what they are compared with; output layers of every kind
    assignment, mhe    labels that move; neurons that repel each other
    nets, data, training, stepping   the papers' networks and data, and one way to train them
    experiments, records, runs, ledger   the papers' tables, our runs of them, the two side by side
    scores      accuracy per group, calibration, verification
    collapse    how far the outputs of a net have fallen onto a simplex
    checks      whether a number is right, for the assignments
    plots       matplotlib figures
    labs        things to play with on a page, without a kernel

A module imports only from those that a reader has met before it (the API page has the order), and nothing imports the
last two. Importing it needs torch and numpy alone.
"""

__version__ = "0.1.0"
