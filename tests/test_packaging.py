"""The package and its environments: three lists that agree, and an import that needs torch and numpy alone."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import notebooks
import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = notebooks.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"pytorch": "torch", "pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}  # conda-forge's: ours
PYTHONS = ("3.11", "3.12", "3.13")


def direct() -> dict[str, SpecifierSet]:
    """What pyproject.toml asks for: the package itself, the book, the tests, and what grading takes."""
    extras = PROJECT["optional-dependencies"]
    found = [Requirement(r) for r in [*PROJECT["dependencies"], *extras["book"], *extras["test"], *extras["teach"]]]
    return {canonicalize_name(r.name): r.specifier for r in found}


def pins() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def conda(file: str) -> dict[str, SpecifierSet]:
    """What an environment.yml asks for, under the names of PyPI."""
    listed = yaml.safe_load((ROOT / file).read_text())["dependencies"]
    pip = next((entry["pip"] for entry in listed if isinstance(entry, dict)), [])
    plain = [
        entry for entry in [*listed, *pip] if isinstance(entry, str) and not entry.startswith("-e") and entry != "pip"
    ]
    found = [re.match(r"([\w.-]+) *(.*)", entry).groups() for entry in plain]
    fixed = [(name, re.sub(r"^=(?!=)(.*)$", r"==\1.*", bounds)) for name, bounds in found]
    return {canonicalize_name(CONDA_NAMES.get(name, name)): SpecifierSet(bounds) for name, bounds in fixed}


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_fit_the_bounds(python):
    system = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    here = [p for p in pins() if p.marker is None or Marker(str(p.marker)).evaluate(system)]
    pinned = {canonicalize_name(p.name): str(p.specifier) for p in here}
    assert len(pinned) == len(here), "a package is pinned twice"
    for name, bounds in direct().items():
        assert name in pinned, f"{name} is in pyproject.toml and not in requirements.txt: run make pins"
        version = pinned[name].removeprefix("==")
        assert bounds.contains(version), (
            f"requirements.txt pins {name} {version}, pyproject.toml wants {bounds}: run make pins"
        )
    assert SpecifierSet(">=2.14").contains(pinned["torch"].removeprefix("=="))


def test_pins_name_no_address():
    for pin in pins():
        assert pin.url is None and re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
    assert "://" not in (ROOT / "requirements.txt").read_text()
    assert "--" not in (ROOT / "requirements.txt").read_text(), "options, such as another index, do not belong here"


def test_conda_environment_agrees():
    listed = conda("environment.yml")
    python = listed.pop("python")
    assert python == SpecifierSet(PROJECT["requires-python"])
    assert listed == direct()


def test_binder_environment_agrees():
    """Binder runs the notebooks and no more, on one Python, without a GPU."""
    listed = conda(".binder/environment.yml")
    assert SpecifierSet(PROJECT["requires-python"]).contains(str(listed.pop("python")).strip("=.*") + ".0")
    bounds = direct()
    assert {name: bounds[name] for name in listed} == listed
    assert {"torch", "numpy", "matplotlib", "jupyterlab", "ipywidgets"} <= set(listed)
    assert "pytorch-cpu" in (ROOT / ".binder/environment.yml").read_text()


def test_the_script_allows_the_pythons_of_the_project():
    allowed = re.search(r'^ALLOWED="(.*)"', (ROOT / "tools/env.sh").read_text(), flags=re.M)[1].split()
    assert tuple(allowed) == PYTHONS
    wanted = SpecifierSet(PROJECT["requires-python"])
    assert [p for p in (f"3.{minor}" for minor in range(8, 20)) if wanted.contains(p)] == allowed


def test_bounds_of_the_package_are_lower_ones():
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert [s.operator for s in requirement.specifier] == [">="], f"{requirement} would replace Colab's own"


IMPORT_ALONE = """
import importlib, importlib.metadata as md, sys
from packaging.requirements import Requirement

def needs(names, seen):
    for name in names:
        if name not in seen:
            try:
                required = md.requires(name) or []
            except md.PackageNotFoundError:
                continue
            seen.add(name)
            found = map(Requirement, required)
            found = [r for r in found if not r.marker or r.marker.evaluate({"extra": ""})]
            needs([r.name.lower().replace("_", "-") for r in found], seen)
    return seen

own = needs(["torch", "numpy"], set())
foreign = {
    top for top, dists in md.packages_distributions().items()
    if not {d.lower().replace("_", "-") for d in dists} & own and top != "hpn_lite"
}
for name in [n for n in sys.modules if n.partition(".")[0] in foreign]:
    del sys.modules[name]  # packaging itself, used above

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in foreign:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

sys.meta_path.insert(0, Wall())
for module in sys.argv[1:]:
    importlib.import_module(module)
    assert not foreign & {n.partition(".")[0] for n in sys.modules}, module
print("matplotlib" in foreign, "torchvision" in foreign, "numpy" in foreign)
"""
MODULES = ["hpn_lite", *sorted(f"hpn_lite.{p.stem}" for p in (ROOT / "hpn_lite").glob("*.py") if p.stem != "__init__")]


def test_import_needs_torch_and_numpy_alone():
    command = [sys.executable, "-W", "error", "-c", IMPORT_ALONE, *MODULES]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "False"], "the wall stood in the wrong place"


def test_api_page_covers_every_module():
    page = (ROOT / "book/api.md").read_text()
    for module in MODULES[1:]:
        assert f"automodule:: {module}\n" in page, f"book/api.md does not show {module}"


def test_one_address_everywhere():
    """The repository's address stands in _config.yml; what else names it follows."""
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    owner_and_name = address.removeprefix("https://github.com/")
    files = [ROOT / name for name in ("README.md", "CITATION.cff", "CONTRIBUTING.md", "pyproject.toml")]
    files += [*(ROOT / "book").glob("*.md"), *notebooks.find()]
    pattern = r"(?:git\+https://github\.com|mybinder\.org/v2/gh|colab\.research\.google\.com/github|git clone https://github\.com)/([\w.-]+/[\w-]+)"
    for file in filter(lambda f: f.exists(), files):
        for found in re.findall(pattern, file.read_text()):
            assert found == owner_and_name, f"{file.name} names {found}, _config.yml {owner_and_name}"
