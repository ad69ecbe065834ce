"""`make bench`: everything that is measured, or what is named; prints a table each and writes `bench.json`.

    python -m benchmarks [full_sync] [sandbox_speed] [throughput] [--options of these]

A benchmark is a module of this package with `run(options)`, which yields reports as they are done, and, where it has
options, `add_options(parser)`. It needs to be registered nowhere.
"""

import argparse
import importlib
import json
import os
import pkgutil
from pathlib import Path
from types import ModuleType

import benchmarks

ROOT = Path(__file__).resolve().parent.parent


def found() -> dict[str, ModuleType]:
    """The benchmarks by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__")
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "run")}


def main() -> None:
    """Run the benchmarks that are named, or all, one after the other."""
    known = found()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(known)}; all where none is named")
    for name, module in known.items():
        if hasattr(module, "add_options"):
            module.add_options(parser.add_argument_group(name))
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"There is no benchmark {', '.join(sorted(unknown))}.")
    lines: list[object] = []
    for name in options.names or known:
        for report in known[name].run(options):
            report.show()
            lines += report.as_json()
    path = Path(os.environ.get("CRMBRIDGE_VAR", ROOT / "var")) / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(lines, indent=2))


main()
