"""What providers are sent of the daemon's jobs is nothing of a header, and nothing that two tasks share."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from cloudsec.jobs import Role
from tests.cloudsec.test_unlinkable import ANNA, Seen
from tests.daemons import served
from tests.simulator import RawServer, over_http


@pytest.mark.parametrize("scheme", ["additive", "ga-es"])
def test_two_jobs_of_one_patient_cannot_be_linked_by_what_is_sent(tmp_path: Path, scheme: str) -> None:
    with ExitStack() as stack:
        fleet = [stack.enter_context(RawServer(over_http)) for _ in range(4)]
        named = tmp_path / "providers.toml"
        named.write_text("".join(f'[[provider]]\nurl = "{server.url}"\n' for server in fleet))
        running = stack.enter_context(served(tmp_path, providers_file=named))
        client, jobs, seen = running.client(Role.CLINICIAN), [], []
        for number in (1, 2):
            asked = {"operation": "mean", "parameters": {"size": 3}, "scheme": scheme}
            asked |= {"plan": {"block": 8}} if scheme == "ga-es" else {}
            job = client.submit(ANNA.image(1, number), **asked)
            view = client.ended(job)
            assert (view["state"], view["message"]) == ("done", None)
            jobs.append(job)
            seen.append([Seen(request) for server in fleet for request in server.requests])
            for server in fleet:
                server.requests.clear()
        users = [user.id for user in running.daemon.users.all()]
    assert all(seen)
    for each in (*seen[0], *seen[1]):
        for value in (*ANNA.values, *jobs, *users, "the-clinician", "default"):
            assert value.encode() not in each.head + str(each.header).encode()
        assert not any(value.encode() in each.body for value in ANNA.values)
    first, second = ({secret for each in job for secret in each.secrets} for job in seen)
    assert first
    assert not first & second
    tasks = [each.header["id"] for job in seen for each in job]
    assert len(set(tasks)) == len(tasks)
