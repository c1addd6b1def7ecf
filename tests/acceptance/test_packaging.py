"""Promises of the distribution: one wheel, a light base install, nothing missing from it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What `shadow.capture` must never import into a user's production process.
HEAVY = ("sqlalchemy", "psycopg", "scipy", "numpy", "pandas", "faust", "aiohttp", "streamlit", "starlette", "typer")


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=110, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("a dist")  # with a space: paths have them
    run(sys.executable, "-m", "uv", "build", "--wheel", "--no-build-isolation", "--out-dir", str(out), str(ROOT))
    (built,) = out.glob("shadow_regret-*.whl")
    return built


@pytest.fixture(scope="module")
def base_install(wheel, tmp_path_factory):
    """The Python of a fresh environment that holds the wheel without extras."""
    environment = tmp_path_factory.mktemp("fresh env") / "venv"
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(environment))
    python = str(environment / "bin" / "python")
    pins = ["--constraint", str(ROOT / "requirements.lock")]
    run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, *pins, str(wheel))
    return python


def test_the_wheel_holds_the_four_packages_the_migrations_and_the_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {"shadow", "consumers", "scoring", "dashboard"} <= tops
    assert tops - {"shadow", "consumers", "scoring", "dashboard"} == {next(t for t in tops if t.endswith(".dist-info"))}
    assert "shadow/py.typed" in names
    assert any(name.startswith("shadow/_migrations/versions/0001") for name in names)


def test_the_base_install_is_light(base_install, tmp_path):
    probe = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    assert run(base_install, "-c", probe, *HEAVY, cwd=tmp_path).strip() == "[]"


def test_the_sdk_imports_from_the_base_install(base_install, tmp_path):
    code = "from shadow import mirror; import shadow.capture, shadow.publisher; print(mirror.__name__)"
    assert run(base_install, "-W", "error", "-c", code, cwd=tmp_path).strip() == "mirror"


def test_a_command_whose_extra_is_missing_says_what_to_install(base_install, tmp_path):
    done = subprocess.run(
        [base_install, "-m", "shadow", "gateway"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("install it with: pip install 'shadow-regret[gateway]'")
    assert "Traceback" not in done.stderr
