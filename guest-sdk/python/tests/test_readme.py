"""Every snippet of the guide is run, and so are the tests in it."""

import re
import sys
import types
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_runs(number):
    # Types are looked up in the module of a function, so there is one.
    module = types.ModuleType(f"snippet_{number}")
    sys.modules[module.__name__] = module
    exec(SNIPPETS[number], vars(module))
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert tests, "a snippet without a test"
    for test in tests:
        test()
