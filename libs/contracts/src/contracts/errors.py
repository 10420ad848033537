"""The one error of this package."""

from typing import Any

from pydantic import ValidationError


class ContractError(ValueError):
    """Something breaks a contract; the text says what, and never quotes personal data."""

    @classmethod
    def from_validation(cls, error: ValidationError, *, skip: int = 0) -> "ContractError":
        """Name every field that is wrong, up to five; ``skip`` leading steps of a path are internal."""
        # The input is left out: reasons are logged and kept in dead-letter tables, names and addresses must not be.
        problems = error.errors(include_url=False, include_input=False)
        reasons = [_describe(problem, skip) for problem in problems[:5]]
        if len(problems) > len(reasons):
            reasons.append(f"and {len(problems) - len(reasons)} more")
        return cls("; ".join(reasons))


def _describe(problem: Any, skip: int) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "json_invalid":
            return f"not JSON: {context['error']}"
        case "union_tag_invalid":
            owner = "".join(f" of {step}" for step in problem["loc"])
            return f"unknown {_discriminator(context)} {context['tag']!r}{owner}"
        case "union_tag_not_found":
            return f"{_discriminator(context)} is missing"
        case "model_type" | "model_attributes_type":
            message = "Input should be an object"
        case _:
            message = problem["msg"]
    path = ".".join(str(step) for step in problem["loc"][skip:])
    return f"{path}: {message}" if path else message


def _discriminator(context: Any) -> str:
    return str(context["discriminator"]).strip("'")
