"""nbgrader's settings for this course: run its commands in this folder, or in a copy of it anywhere."""

from pathlib import Path

c = get_config()  # noqa: F821  nbgrader defines it

c.CourseDirectory.course_id = "learning-on-the-hypersphere"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)

# What a student finds where the solution was.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"

# A cell may take two minutes, then it is stopped and the next one is run: an endless loop costs its own points only.
c.Execute.timeout = 120
c.Execute.interrupt_on_timeout = True

# Test cells that a student deleted come back; those that were changed are restored in any case.
c.OverwriteCells.add_missing_cells = True
