"""Signature and docstring of a model class, with its hyperparameters."""

import inspect
import textwrap

import fields


def signature_of(cls: type) -> inspect.Signature:
    """Return the signature of a model class: its hyperparameters in the place of **kwargs."""
    _, *own = inspect.signature(cls.__init__).parameters.values()
    if not own or own[-1].name != "hyperparameters":
        return inspect.Signature(own)
    keyword, defaults = inspect.Parameter.KEYWORD_ONLY, cls.Hyperparameters.resolve()
    names = {parameter.name for parameter in own}
    hyperparameters = [
        inspect.Parameter(n, keyword, default=getattr(defaults, n), annotation=spec.type)
        for n, spec in cls.Hyperparameters.__dataclass_fields__.items()
        if n not in names
    ]
    return inspect.Signature([*own[:-1], *hyperparameters])


def docstring_of(cls: type) -> str:
    """Return the docstring of a model class with its hyperparameters, defaults and ranges."""
    lines = [inspect.cleandoc(cls.__doc__), "", "Hyperparameters:"]
    defaults = cls.Hyperparameters.resolve()
    for name, spec in cls.Hyperparameters.__dataclass_fields__.items():
        per_data_set = {"": getattr(defaults, name), **spec.metadata["by_dataset"]}
        default = ", ".join(f"{k}: {x!r}" if k else repr(x) for k, x in per_data_set.items())
        text = f"{name} ({default}): {spec.metadata['help']}; {fields.allowed(spec)}."
        lines += textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="        ")
    return "\n".join(lines)
