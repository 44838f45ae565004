"""Users: added, listed and removed by admins."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Path

from cloudsec.jobs import User
from cloudsec.server.access import user_who_may
from cloudsec.server.daemon import Daemon
from cloudsec.server.requests import NewUser, UserRequest, UserView


def user_routes(daemon: Daemon) -> APIRouter:
    """The routes that keep users."""
    routes = APIRouter(prefix="/v1/users", tags=["users"])
    keeper = Depends(user_who_may(daemon, "keep users"))

    @routes.get("", summary="All users, by name")
    def list_users(_: User = keeper) -> list[UserView]:
        return [UserView.of(user) for user in daemon.users.all()]

    @routes.post("", status_code=201, summary="Add a user; the token is told this once")
    def add_user(new: UserRequest, _: User = keeper) -> NewUser:
        token = daemon.users.add(new.name, new.role, jobs=new.jobs, bytes=new.bytes)
        return NewUser(name=new.name, token=token)

    @routes.delete("/{name}", status_code=204, summary="Remove a user, with their token and their jobs")
    def remove_user(name: str = Path(max_length=64), _: User = keeper) -> None:
        daemon.users.remove(name)

    return routes
