"""Adds up the points of the tasks that passed."""


def pytest_terminal_summary(terminalreporter):
    points = {"passed": 0.0, "failed": 0.0}
    for outcome in points:
        for report in terminalreporter.getreports(outcome):
            points[outcome] += dict(report.user_properties).get("points", 0)
    total = points["passed"] + points["failed"]
    terminalreporter.write_line(f"points: {points['passed']:g} of {total:g} (without what a person grades)")
