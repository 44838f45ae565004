"""What clients send and are told, as the OpenAPI document has it; nothing else is accepted."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from cloudsec.jobs import USER_NAME, Job, Role, State, User
from providers.registry import as_operation

Short = Annotated[str, Field(min_length=1, max_length=200)]
Form = Literal[".dcm", ".nii", ".nii.gz", ".npy", ".png", ".tif", ".tiff", ".json"]


def _user_name(name: str) -> str:
    if USER_NAME.fullmatch(name) is None:
        raise ValueError("a user's name is of a-z, 0-9 and, between them, '.', '_', '@' and '-', 64 at most")
    return name


def _written_again(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a character stands in a text; write all of it") from None
    return values


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Values = Annotated[dict[Short, JsonValue], AfterValidator(_written_again)]


class JobRequest(_Strict):
    """What is to be done with images; the words are those of `cloudsec.Broker` and `cloudsec process`."""

    operation: Short
    parameters: Values = {}
    scheme: Short | None = None
    tolerate: Annotated[int, Field(ge=0, le=255)] | None = None
    verify: Literal["full", "sample", "off"] = "full"
    plan: Values = {}
    on_loss: Literal["home", "fail"] = "home"
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    study: Short | None = None
    project: Short | None = None
    format: Form | None = None
    burned_in: Literal["refuse", "accept"] = "refuse"
    one_by_one: bool = False

    def check(self) -> None:
        """ValueError where there is no such operation, or it has no such parameters."""
        as_operation(self.operation, dict(self.parameters))


class JobView(_Strict):
    """How a job stands. What was asked for and why it failed is told to its user only."""

    id: str
    state: State
    created: float
    changed: float
    images: int
    results: int
    bytes: int
    done: int
    total: int
    attempt: int
    code: str | None
    user: str | None = None
    operation: str | None = None
    message: str | None = None

    @classmethod
    def of(cls, job: Job, **more: Any) -> JobView:
        """What may be told of a job to anybody who may know of it, and more."""
        return cls(
            id=job.id,
            state=job.state,
            created=job.created,
            changed=job.changed,
            images=job.images,
            results=job.results,
            bytes=job.size,
            done=job.done,
            total=job.total,
            attempt=job.attempt,
            code=job.code,
            **more,
        )


class UserRequest(_Strict):
    """A user to be added, with quotas where the usual ones do not fit."""

    name: Annotated[
        str, AfterValidator(_user_name), WithJsonSchema({"type": "string", "pattern": USER_NAME.pattern})
    ]
    role: Role
    jobs: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    bytes: Annotated[int, Field(ge=0, lt=1 << 62)] | None = None


class UserView(_Strict):
    """A user; the token is told once, when the user is added. Jobs and the log know users by their id."""

    id: str
    name: str
    role: Role
    created: float
    jobs: int | None
    bytes: int | None

    @classmethod
    def of(cls, user: User) -> UserView:
        """What admins see of a user."""
        return cls(**asdict(user))


class NewUser(_Strict):
    """The token of a user who was added."""

    name: str
    token: str
