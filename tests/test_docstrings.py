"""Every public name says what it takes, gives back and raises."""

import ast
import doctest
import inspect
import textwrap
from types import ModuleType

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

import bayes_glmm


def public_callables() -> list[tuple[str, object]]:
    """Each public function and class, and the public methods that the classes define."""
    found: list[tuple[str, object]] = []
    for name in bayes_glmm.__all__:
        thing = getattr(bayes_glmm, name)
        if isinstance(thing, ModuleType):
            found += [(f"{name}.{inner}", getattr(thing, inner)) for inner in thing.__all__]
        else:
            found.append((name, thing))
    callables = [(name, thing) for name, thing in found if callable(thing)]
    for name, thing in list(callables):
        if inspect.isclass(thing):
            methods = inspect.getmembers(thing, inspect.isfunction)
            callables += [(f"{name}.{key}", one) for key, one in methods if not key.startswith("_")]
    return [(name, thing) for name, thing in callables if thing.__module__.startswith("bayes_glmm")]


PUBLIC = public_callables()


def parameters_of(thing: object) -> list[str]:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = inspect.signature(thing).parameters.values()
    return [stars.get(one.kind, "") + one.name for one in parameters if one.name not in {"self", "cls"}]


def documented_parameters(doc: FunctionDoc | ClassDoc) -> list[str]:
    return [name.strip() for entry in [*doc["Parameters"], *doc["Other Parameters"]] for name in entry.name.split(",")]


def body_of(thing: object) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))


def faults(thing: object) -> list[str]:
    """What the docstring of a function or class leaves out."""
    if not (thing.__doc__ or "").strip():
        return ["no docstring"]
    is_class = inspect.isclass(thing)
    if is_class and issubclass(thing, Exception):
        return []
    doc = ClassDoc(thing, config={"show_class_members": False}) if is_class else FunctionDoc(thing)
    found = []
    summary = " ".join(doc["Summary"])
    if not summary.endswith("."):
        found.append(f"the summary is not a sentence: {summary!r}")
    takes, says = parameters_of(thing), documented_parameters(doc)
    # A frozen dataclass may document its fields where they stand, below each.
    if is_class and not says:
        says = fields_with_text(thing)
    found += [f"parameter {name} is not documented" for name in takes if name not in says]
    found += [f"{name} is documented but not a parameter" for name in says if name not in takes]
    if is_class:
        return found
    returns = inspect.signature(thing).return_annotation
    if returns not in (None, "None") and not doc["Returns"] and not doc["Yields"]:
        found.append("no Returns section")
    raised = {
        ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        for node in ast.walk(body_of(thing))
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    named = {entry.type or entry.name for entry in doc["Raises"]}
    found += [f"raises {name} and does not say so" for name in sorted(raised) if name.split(".")[-1] not in named]
    return found


def fields_with_text(thing: type) -> list[str]:
    """Names of class attributes that a docstring follows."""
    body = body_of(thing).body[0].body
    return [
        first.target.id
        for first, second in zip(body, body[1:], strict=False)
        if isinstance(first, ast.AnnAssign) and isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant)
    ]


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_docstring(name, thing):
    assert faults(thing) == []


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_public_names_have_an_example_that_runs(name, thing):
    """What stands after >>> is run by pytest itself; the classes' own examples show their methods."""
    method = name.startswith(
        ("GLMM.", "FittedGLMM.", "PooledGLMM.", "MultivariateGLMM.", "FittedMultivariateGLMM.", "Prior.")
    )
    if method or (inspect.isclass(thing) and issubclass(thing, Exception)):
        return
    examples = doctest.DocTestParser().get_examples(thing.__doc__)
    assert examples
    if any(word in one.source for one in examples for word in ("fit", "model")):
        assert examples[0].source == "import bayes_glmm as bg\n"


def undocumented(x, y):
    """Add two numbers.

    Parameters
    ----------
    x
        A number.
    z
        Another.
    """
    if y:
        raise ValueError("y")
    return x


def test_faults_are_found():
    assert faults(undocumented) == [
        "parameter y is not documented",
        "z is documented but not a parameter",
        "no Returns section",
        "raises ValueError and does not say so",
    ]
