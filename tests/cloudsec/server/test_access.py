"""Every route for every role, and for nobody; every state for every call; and how often one may come."""

from pathlib import Path

import numpy as np
import pytest
import requests
from sqlalchemy import select, update

from cloudsec.jobs import JobQueue, Role, State
from cloudsec.server.access import AT_ONCE
from cloudsec.server.guard import HEADERS, MAX_JSON
from cloudsec.server.rates import MOST, Rates
from cloudsec.vault import job_tables
from tests.daemons import GAUSSIAN, Client, Served, npy, served

IMAGE = npy(np.arange(32 * 32, dtype=np.uint16).reshape(32, 32))
NOBODY, ADMIN, CLINICIAN, SERVICE = None, Role.ADMIN, Role.CLINICIAN, Role.SERVICE

OWN: dict[tuple[str, str], dict[Role | None, int]] = {
    ("GET", "/healthz"): {NOBODY: 200, ADMIN: 200, CLINICIAN: 200, SERVICE: 200},
    ("GET", "/readyz"): {NOBODY: 200, ADMIN: 200, CLINICIAN: 200, SERVICE: 200},
    ("GET", "/metrics"): {NOBODY: 200, ADMIN: 200, CLINICIAN: 200, SERVICE: 200},
    ("GET", "/v1/users"): {NOBODY: 401, ADMIN: 200, CLINICIAN: 403, SERVICE: 403},
    ("POST", "/v1/users"): {NOBODY: 401, ADMIN: 409, CLINICIAN: 403, SERVICE: 403},
    ("DELETE", "/v1/users/nobody"): {NOBODY: 401, ADMIN: 409, CLINICIAN: 403, SERVICE: 403},
    ("GET", "/v1/jobs"): {NOBODY: 401, ADMIN: 200, CLINICIAN: 200, SERVICE: 200},
    ("POST", "/v1/jobs"): {NOBODY: 401, ADMIN: 403, CLINICIAN: 201, SERVICE: 201},
}
"""What is answered where no job is named."""

OTHERS: dict[tuple[str, str], dict[Role | None, int]] = {
    ("GET", ""): {NOBODY: 401, ADMIN: 200, CLINICIAN: 404, SERVICE: 404},
    ("GET", "/events"): {NOBODY: 401, ADMIN: 200, CLINICIAN: 404, SERVICE: 404},
    ("PUT", "/images/0"): {NOBODY: 401, ADMIN: 403, CLINICIAN: 404, SERVICE: 404},
    ("POST", "/start"): {NOBODY: 401, ADMIN: 403, CLINICIAN: 404, SERVICE: 404},
    ("GET", "/result"): {NOBODY: 401, ADMIN: 403, CLINICIAN: 404, SERVICE: 404},
    ("GET", "/result?identity=restored"): {NOBODY: 401, ADMIN: 403, CLINICIAN: 404, SERVICE: 404},
    ("GET", "/report"): {NOBODY: 401, ADMIN: 403, CLINICIAN: 404, SERVICE: 404},
    ("POST", "/cancel"): {NOBODY: 401, ADMIN: 409, CLINICIAN: 404, SERVICE: 404},
    ("DELETE", ""): {NOBODY: 401, ADMIN: 204, CLINICIAN: 404, SERVICE: 404},
}
"""What is answered of a job of somebody else's that is done; the last removes it."""

BODIES = {"/v1/users": {"name": "the-admin", "role": "admin"}, "/v1/jobs": GAUSSIAN}


def client_of(daemon: Served, role: Role | None, name: str | None = None) -> Client:
    return Client(daemon.url) if role is None else daemon.client(role, name)


def status(client: Client, method: str, path: str) -> int:
    body = {"json": BODIES[path]} if method == "POST" and path in BODIES else {}
    return client.ask(method, path, **body).status_code


@pytest.mark.parametrize("role", [NOBODY, ADMIN, CLINICIAN, SERVICE])
def test_each_route_is_for_whom_the_table_says(daemon: Served, role: Role | None) -> None:
    daemon.client(Role.ADMIN)
    client = client_of(daemon, role)
    assert {each: status(client, *each) for each in OWN} == {each: may[role] for each, may in OWN.items()}


@pytest.mark.parametrize("role", [NOBODY, CLINICIAN, SERVICE, ADMIN])
def test_a_job_of_another_is_not_there_but_for_admins_who_see_its_state_only(
    daemon: Served, role: Role | None
) -> None:
    owner = daemon.client(Role.SERVICE, "owner")
    job = owner.submit(IMAGE)
    assert owner.ended(job)["state"] == "done"
    client = client_of(daemon, role, None if role is None else f"another-{role}")
    if role is Role.ADMIN:
        seen = client.ask("GET", f"/v1/jobs/{job}").json()
        assert (seen["operation"], seen["message"]) == (None, None)
    told = {each: status(client, each[0], f"/v1/jobs/{job}{each[1]}") for each in OTHERS}
    assert told == {each: may[role] for each, may in OTHERS.items()}


@pytest.mark.parametrize(("role", "told"), [(CLINICIAN, 422), (SERVICE, 403)])
def test_of_their_own_results_only_clinicians_may_ask_for_the_identity(
    daemon: Served, role: Role, told: int
) -> None:
    client = daemon.client(role)
    job = client.submit(IMAGE)
    assert client.ended(job)["state"] == "done"
    assert client.ask("GET", f"/v1/jobs/{job}/result").status_code == 200
    # An NPY file has no patient to give back.
    assert client.ask("GET", f"/v1/jobs/{job}/result?identity=restored").status_code == told


def test_the_routes_of_the_tables_are_all_that_there_are(daemon: Served) -> None:
    paths = requests.get(daemon.url + "/openapi.json", timeout=20).json()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    named = {(method, path.replace("/nobody", "/{name}")) for method, path in OWN}
    named |= {
        (method, "/v1/jobs/{job}" + path.partition("?")[0].replace("/0", "/{number}"))
        for method, path in OTHERS
    }
    assert named == described


CALLS = (
    ("PUT", "/images/0"),
    ("POST", "/start"),
    ("GET", "/result"),
    ("GET", "/report"),
    ("DELETE", ""),
    ("POST", "/cancel"),
)
ANSWERS = {
    State.RECEIVING: (200, 200, 409, 409, 409, 200),
    State.QUEUED: (409, 409, 409, 409, 409, 200),
    State.RUNNING: (409, 409, 409, 409, 409, 200),
    State.DONE: (409, 409, 200, 200, 204, 409),
    State.FAILED: (409, 409, 409, 409, 204, 409),
    State.CANCELLED: (409, 409, 409, 409, 204, 409),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", State)
def test_in_each_state_each_call_does_what_the_table_says(
    daemon: Served, monkeypatch: pytest.MonkeyPatch, state: State, call: tuple[str, str]
) -> None:
    client = daemon.client(Role.SERVICE, "stateful")
    job = client.submit(IMAGE, start=state is State.DONE)
    if state is State.DONE:
        client.ended(job)
    else:
        # As if it were so at another daemon.
        monkeypatch.setattr(JobQueue, "claim", lambda *_: None)
        with daemon.daemon.vault.writing() as base:
            table = job_tables.jobs
            base.connection.execute(update(table).where(table.c.id == job).values(state=state, lease=1e12))
    body = {"data": IMAGE} if call[0] == "PUT" else {}
    answer = client.ask(call[0], f"/v1/jobs/{job}{call[1]}", **body)
    assert answer.status_code == ANSWERS[state][CALLS.index(call)]
    if state is State.QUEUED:
        with daemon.daemon.vault.writing() as base:
            base.connection.execute(update(table).where(table.c.id == job).values(state=State.CANCELLED))


def test_no_browser_may_keep_or_run_an_answer_which_says_what_request_it_was(daemon: Served) -> None:
    for path in ("/healthz", "/v1/jobs", "/nothing"):
        headers = Client(daemon.url).ask("GET", path).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert len(headers["X-Request-Id"]) == 16
        assert "server" not in headers


def test_a_body_beyond_the_limit_is_refused_unread(daemon: Served) -> None:
    client = daemon.client(Role.SERVICE)
    answer = client.ask("POST", "/v1/jobs", data=b"x" * (MAX_JSON + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_limits_on_images_requests_tokens_jobs_and_bytes_are_told_by_their_codes(tmp_path: Path) -> None:
    limits = {"image_bytes": 4000, "requests_per_minute": 20, "wrong_tokens_per_minute": 3, "user_jobs": 1}
    with served(tmp_path, **limits, user_bytes=3000) as small:
        client = small.client(Role.SERVICE)
        job = client.submit(start=False)

        def code(method: str, path: str, **more: object) -> tuple[int, str]:
            answer = client.ask(method, path, **more)
            return answer.status_code, answer.json().get("code", "")

        assert code("POST", "/v1/jobs", json=GAUSSIAN) == (429, "over_quota")
        assert code("PUT", f"/v1/jobs/{job}/images/0", data=bytes(4001)) == (413, "too_large")
        assert code("PUT", f"/v1/jobs/{job}/images/0", data=iter([bytes(4001)])) == (413, "too_large")
        assert code("PUT", f"/v1/jobs/{job}/images/0", data=bytes(3500)) == (429, "over_quota")
        assert code("PUT", f"/v1/jobs/{job}/images/0", data=bytes(2500)) == (422, "refused")
        assert client.ask("GET", f"/v1/jobs/{job}").json()["bytes"] == 0
        answers = [client.ask("GET", f"/v1/jobs/{job}") for _ in range(30)]
        # Not the last: by then there may be one to have again.
        refused = next(each for each in answers if each.status_code == 429)
        assert refused.json()["code"] == "too_many"
        assert int(refused.headers["Retry-After"]) >= 1
        strangers = [
            # Whoever they say that they ask for.
            requests.get(small.url + "/v1/jobs", headers={"X-Forwarded-For": f"192.0.2.{n}"}, timeout=20)
            for n in range(5)
        ]
        assert [each.status_code for each in strangers] == [401, 401, 401, 429, 429]
        # Who is known is not locked out with them.
        assert small.client(Role.SERVICE, "other").ask("GET", "/v1/jobs").status_code == 200


def test_one_user_does_not_take_all_connections(daemon: Served) -> None:
    client = daemon.client(Role.SERVICE, "follower")
    job = client.submit(start=False)
    streams = [client.ask("GET", f"/v1/jobs/{job}/events", stream=True) for _ in range(AT_ONCE)]
    assert {each.status_code for each in streams} == {200}
    assert client.ask("GET", f"/v1/jobs/{job}").json()["code"] == "too_many"
    assert daemon.client(Role.SERVICE, "other").ask("GET", "/v1/jobs").status_code == 200
    daemon.daemon.store.cancel(job)
    for each in streams:
        assert b"cancelled" in each.content
    assert client.ask("GET", f"/v1/jobs/{job}").status_code == 200


def test_who_is_removed_is_told_nothing_more(daemon: Served) -> None:
    client = daemon.client(Role.SERVICE, "leaver")
    job = client.submit(start=False)
    stream = client.ask("GET", f"/v1/jobs/{job}/events", stream=True)
    answer = daemon.client(Role.ADMIN).ask("DELETE", "/v1/users/leaver")
    assert (answer.status_code, client.ask("GET", "/v1/jobs").status_code) == (204, 401)
    assert stream.content.count(b"data: ") == 1
    assert "a request failed" not in daemon.log.getvalue()


def test_a_result_is_nobodys_whose_name_the_database_only_puts_on_it(daemon: Served) -> None:
    owner, thief = (daemon.client(Role.SERVICE, name) for name in ("robbed", "thief"))
    job = owner.submit(IMAGE)
    assert owner.ended(job)["state"] == "done"
    table = job_tables.jobs
    with daemon.daemon.vault.writing() as base:
        other = base.connection.scalar(select(job_tables.users.c.id).filter_by(name="thief"))
        base.connection.execute(update(table).where(table.c.id == job).values(user=other))
    for path in ("", "/result", "/report"):
        assert thief.ask("GET", f"/v1/jobs/{job}{path}").status_code == 503


def test_what_is_not_described_is_refused_by_its_name_and_without_its_value(daemon: Served) -> None:
    client = daemon.client(Role.SERVICE)
    for asked, status, word in (
        ({"operation": "gaussian", "sigmoid": 2}, 400, "sigmoid"),
        ({"operation": 7}, 400, "operation"),
        ({"operation": "gausian"}, 422, "gausian"),
        ({"operation": "gaussian", "parameters": {"sgma": 1}}, 422, "sgma"),
        (GAUSSIAN | {"scheme": "none-such"}, 422, "none-such"),
        (GAUSSIAN | {"format": ".exe"}, 400, "format"),
        (GAUSSIAN | {"study": "Karenina^Anna" * 20}, 400, "study"),
    ):
        answer = client.ask("POST", "/v1/jobs", json=asked)
        assert answer.status_code == status
        assert answer.json()["code"] == ("bad_request" if status == 400 else "refused")
        assert word in answer.json()["message"]
        assert "Karenina" not in answer.text


@pytest.mark.parametrize("place", ["parameters", "plan"])
def test_half_of_a_character_is_refused_where_it_would_be_kept(daemon: Served, place: str) -> None:
    asked = GAUSSIAN | {place: {"sigma": [{"a": "\ud800"}]}}
    answer = daemon.client(SERVICE).ask("POST", "/v1/jobs", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert place in answer.json()["message"]


def test_an_error_of_ours_is_answered_as_others_are_and_told_to_the_log_only(
    daemon: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr(daemon.daemon.store, "create", failing)
    answer = daemon.client(SERVICE).ask("POST", "/v1/jobs", json=GAUSSIAN)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "Doe" not in answer.text + daemon.log.getvalue()
    assert daemon.lines()[-2]["error"] == "RuntimeError"


def test_no_token_is_in_the_database_or_the_log(daemon: Served) -> None:
    token = daemon.client(Role.SERVICE).token
    assert token is not None
    secret = token.split("-")[2]
    assert secret not in daemon.log.getvalue()
    with daemon.daemon.vault.reading() as base:
        assert secret not in str(base.execute(select(job_tables.users)).all())


def test_what_stands_in_a_path_is_in_no_line_of_the_log(daemon: Served) -> None:
    client = daemon.client(Role.SERVICE)
    for path in (
        "/v1/jobs/KARENINA",
        "/KARENINA",
        "/v1/users/KARENINA",
        f"/v1/jobs/{'0' * 32}/images/KARENINA",
    ):
        assert client.ask("PUT", path).status_code in (400, 404, 405, 403)
    assert "KARENINA" not in daemon.log.getvalue()
    assert any(line["route"] == "?" for line in daemon.lines() if line["event"] == "request")


def test_a_bucket_fills_by_the_minute_and_those_that_are_not_used_are_forgotten() -> None:
    rates = Rates(60)
    assert [rates.pause("one", 0.0) for _ in range(61)] == [0] * 60 + [1]
    assert rates.pause("other", 0.0) == 0
    assert rates.pause("one", 0.5) == 1
    assert rates.pause("one", 1.0) == 0
    for number in range(MOST):
        rates.pause(str(number), 2.0)
    assert len(rates._buckets) == MOST
