"""Types of fields that the sections of webhooks share."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr


def listed(value: Any) -> Any:
    """One is a list of one."""
    return [value] if isinstance(value, (str, SecretStr)) else value


def worded(value: Any) -> Any:
    """Keys of YAML may be numbers. They are words here, in lower case. To Python ``yes`` and 1 are the same key."""
    if not isinstance(value, dict):
        return value
    if any(isinstance(key, bool) for key in value):
        raise ValueError('put words such as yes, no, on, off, true and false in quotes: "yes"')
    return {str(key).strip().lower(): one for key, one in value.items()}


def no_empty_secret(secrets: list[SecretStr]) -> list[SecretStr]:
    if not all(one.get_secret_value().strip() for one in secrets):
        raise ValueError("an empty secret would let everybody in: is the variable that it comes from set?")
    return secrets


Path = Annotated[str, Field(min_length=1)]
Paths = Annotated[list[Path], BeforeValidator(listed, json_schema_input_type=Path | list[Path]), Field(min_length=1)]
Secrets = Annotated[
    list[SecretStr], BeforeValidator(listed, json_schema_input_type=SecretStr | list[SecretStr]), Field(min_length=1)
]
Texts = Annotated[list[str], BeforeValidator(listed, json_schema_input_type=str | list[str])]
