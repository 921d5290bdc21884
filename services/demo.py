"""`quietline demo`: the whole road of one message, on this machine, with nothing left out.

It starts the suite as `quietline up` does (or uses the one that runs on the same folder), and then does by HTTP what
operators, admins and phones do: import, snapshot, run, promote, update, score.
"""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import click
import httpx
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mobile_model import screen
from mobile_model.advice import Language, action_name, advice_for, category_name
from mobile_model.cli import DEFAULT_SOURCE
from mobile_model.scorer import ModelError, Scorer
from mobile_model.updater import PhoneStore, UpdateError, update
from mobile_model.updater.errors import WrongSignatureError
from services.client import SuiteClient, SuiteError
from services.embedded import DataDirectory
from services.ingestion.importers import ImportFileError, read_reports, source_name
from services.ingestion.starter_corpus import read_starter_corpus
from services.progress import follow_import, follow_run
from shared.categories import Action, Category

DEFAULT_DATA: Final = Path("var")
START_SECONDS: Final = 60
STOP_SECONDS: Final = 10
CAUTIOUS: Final = (Action.WARN, Action.BLOCK)
HOW_TO_READ: Final = (
    "Harassment is porn, fraud, gambling and illegal together; how much of it a warning or blocking needs is written "
    "in the release. 骚扰是色情、诈骗、赌博、违法交易四类之和，提醒线和拦截线写在模型说明里。"
)

MESSAGES: Final = (
    "老公我到产检医院了，B超排到11号，你下班直接过来就行",
    "【安和妇幼保健院】您预约的3月12日上午糖耐量检查请空腹，8点前到门诊二楼抽血。",
    "您的验证码是 604817，5分钟内有效，请勿告诉任何人。",
    "您尾号4410的储蓄卡3月2日支出1,280.00元，余额9,316.45元。【河湾银行】",
    "春季新品到店，宝宝连体衣第二件半价，孕妈凭卡另享九折，退订回T",
    "老婆怀孕不方便？本地小妹可上门，安全隐私，加薇 lan7702 看照片",
    "老*婆.坐-月★子 寂·寞了吧？同/城妹*妹 加V：xq8810",
    "您的生育津贴4,600元待领取，今日失效，请点击 shengyu-jt.top 填写银行卡号与验证码",
    "世界杯盘口全开，首存送88%，提款秒到，进 bet77vip.cc 找客服领彩金",
    "代开各行业增值税票，点数低可先验后付，详询 张会计 V信 kp90021",
    "您好，近日气温回升，愿您和家人平安喜乐、万事顺意，本店感谢一路支持。"
    "另外今晚到了几个新来的小姐姐，可上门服务，加V mm5520 看相册",
    "Your parcel is held at the depot for an unpaid fee of $1.99. Pay within 24h: track-redeliver.top/pay",
    "Hi love, scan went fine, baby is healthy. Can you pick up milk on the way home?",
)
"""Invented messages that no scenario of the starter corpus holds."""


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    help="Folder that holds everything the suite keeps.",
)
@click.option(
    "--reports",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own reports besides the starter corpus: .jsonl or .csv with text and category.",
)
def demo(data: Path, reports: Path | None) -> None:
    """Walk the whole road of a message: report, snapshot, run, gate, release, phone, verdict. 完整演示。"""
    console = Console(highlight=False)
    try:
        walk(DataDirectory(data.resolve()), reports, console)
    except (SuiteError, ImportFileError, UpdateError, ModelError, DemoError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot use {error.filename or data}: {error.strerror}") from error


def walk(data: DataDirectory, reports: Path | None, console: Console) -> None:
    """Walks the road once; a second time makes a second release."""
    began_at_seconds = time.monotonic()
    own_lines = read_reports(reports) if reports is not None else iter(())
    with running_suite(data, console) as address, closing(SuiteClient(address, data.admin_key())) as client:
        console.rule("1 reports 举报")
        hand_in(client, reports, own_lines, console)
        console.rule("2 snapshot 快照")
        snapshot = client.post("/ingestion/v1/snapshots", repeatable=True)
        console.print(f"{snapshot['reports']} verified reports, {snapshot['held_out']} of them held out to judge by")
        console.print(snapshot["digest"])
        console.rule("3 run 训练")
        run = train(client, snapshot["id"], console)
        console.rule("4 release 发布")
        put_into_service(client, data, run, console)
        console.rule("5 phone 手机")
        store = phone_with_newest_release(data, client, console)
    console.rule("6 verdicts, on the phone, offline 判断结果")
    release = store.current()
    if release is None:
        raise DemoError("the phone holds no release")
    console.print(verdicts(Scorer(release.model, release.card)))
    console.print(places(data, run["id"]))
    console.print(f"the whole road took {time.monotonic() - began_at_seconds:.0f} s")


def hand_in(client: SuiteClient, reports: Path | None, own_lines: Iterator[bytes], console: Console) -> None:
    """Imports the starter corpus, and the person's own file if there is one."""
    inputs = [("starter", read_starter_corpus(), "corpus")]
    if reports is not None:
        inputs.append((source_name(reports), own_lines, "operator"))
    for name, lines, kind in inputs:
        result = follow_import(client, lines, source=name, source_kind=kind, console=console)
        console.print(
            f"{name}: {result.accepted} accepted, {result.duplicates} known already, {result.refused} refused, "
            "personal data masked before storage"
        )
        for remark in result.remarks():
            console.print(remark)


def train(client: SuiteClient, snapshot_id: str, console: Console) -> dict[str, Any]:
    """Runs training and gives the run, whose release the gate let pass or refused.

    Raises:
        DemoError: if the run made no candidate.
    """
    run = client.post("/training/v1/runs", {"snapshot": snapshot_id}, repeatable=True)
    ended = follow_run(client, run["id"], console)
    if ended["state"] not in {"succeeded", "refused"}:
        why = (ended.get("problem") or {}).get("detail") or "see the report"
        raise DemoError(f"the run ended as {ended['state']}: {why}")
    return ended


def put_into_service(client: SuiteClient, data: DataDirectory, run: dict[str, Any], console: Console) -> None:
    """Offers what the gate let pass to every phone; if it refused, says what stays in service, and why.

    Raises:
        DemoError: if the gate refused and no release is in service, so that phones have nothing to score with.
    """
    if run["state"] == "succeeded":
        client.post("/registry/v1/channels/stable/promote", {"version": run["release"], "percentage": 100})
        console.print(f"the gate let {run['release']} pass, and channel stable offers it to every phone")
        return
    why, report = run["problem"]["detail"], _short(_report(data, run["id"]))
    in_service = client.get("/registry/v1/channels/stable")["release"]
    if in_service is None:
        raise DemoError(f"the gate refused the candidate, and no release is in service: {why}; the report: {report}")
    console.print(f"the gate refused the candidate, so {in_service} stays in service: {why}")
    console.print(f"the report says more: {report}", soft_wrap=True)


def phone_with_newest_release(data: DataDirectory, client: SuiteClient, console: Console) -> PhoneStore:
    """Initialises the demo's phone the first time, and updates it over TUF.

    Raises:
        DemoError: if the phone that lies there trusts another suite.
        UpdateError: if the update failed.
    """
    store = PhoneStore(data.phone)
    if not store.is_initialised():
        root = client.get_bytes("/tuf/metadata/1.root.json")
        fingerprint = store.initialise(root, DEFAULT_SOURCE)
        console.print(f"the phone trusts the root with this fingerprint:\n{fingerprint}")
    try:
        outcome = update(store, source=f"{client.address}/tuf/")
    except WrongSignatureError as error:
        raise DemoError(f"{error}; it belongs to another suite: remove {data.phone} for a new one") from error
    console.print(f"update: {outcome.describe()}")
    return store


@contextmanager
def running_suite(data: DataDirectory, console: Console) -> Iterator[str]:
    """Gives the address of the suite that keeps this folder; starts one, and ends it afterwards, if there is none."""
    running = data.running_at()
    if running is not None:
        console.print(f"using the suite at {running}")
        yield running
        return
    data.path.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "services", "up", "--data", str(data.path), "--port", str(port)]
    log_file = data.path / "demo.log"
    with log_file.open("wb") as log, subprocess.Popen(command, stderr=log) as suite:  # noqa: S603 - our own command
        try:
            with console.status("Starting ingestion, training and registry in one process"):
                _wait_until_ready(address, suite, log_file)
            console.print(f"three services in one process at {address}")
            yield address
        finally:
            suite.send_signal(signal.SIGINT)
            try:
                suite.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                suite.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(address: str, suite: "subprocess.Popen[bytes]", log_file: Path) -> None:
    deadline_seconds = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline_seconds:
        if suite.poll() is not None:
            words = log_file.read_text("utf8", "replace").strip().splitlines()
            raise DemoError(f"the suite did not start: {words[-1] if words else 'no word'}")
        try:
            if all(httpx.get(f"{address}/{room}/readyz").is_success for room in ("ingestion", "training", "registry")):
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise DemoError(f"the suite was not ready within {START_SECONDS} s")


def verdicts(scorer: Scorer) -> RenderableType:
    """Scores the demo's messages and shows why, each in its own language; then what the phone advises."""
    table = Table(show_lines=True, expand=True, caption_justify="left", caption=HOW_TO_READ)
    for title, share in (("message 短信", 5), ("category 类别", 2), ("action 处理", 2), ("why 原因", 4)):
        table.add_column(title, ratio=share, overflow="fold")
    advised: dict[tuple[Category, Language], tuple[str, ...]] = {}
    for message in MESSAGES:
        explanation = scorer.explain(message)
        verdict = explanation.verdict
        language = Language.ENGLISH if message.isascii() else Language.CHINESE
        why = [screen.why(verdict, language)]
        if verdict.action in CAUTIOUS:
            advised[verdict.category, language] = advice_for(verdict.category, language)[:2]
            why.append(screen.because_of(message, explanation, language))
        table.add_row(
            screen.highlighted(message, explanation),
            f"{category_name(verdict.category, language)} {verdict.probability:.0%}",
            Text(action_name(verdict.action, language), style=screen.STYLES[verdict.action]),
            Text("\n".join(why)),
        )
    advice = Table.grid(padding=(0, 2))
    advice.add_column(no_wrap=True)
    advice.add_column(overflow="fold")
    for (category, language), lines in advised.items():
        advice.add_row(category_name(category, language), "\n".join(lines))
    return Group(table, "", "what the phone advises 手机上的提醒", advice, "")


def places(data: DataDirectory, run_id: str) -> Panel:
    """Says where things lie and what to do next, in commands that can be typed here."""
    quietline = _own_name()
    is_usual = data.path == DEFAULT_DATA.resolve()
    up = "up" if is_usual else f"up --data {_short(data.path)}"
    state = "" if is_usual else f" --state {_short(data.phone)}"
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for words, place in (
        ("reports and snapshots", data.path / "ingestion"),
        ("the run, with plots", _report(data, run_id)),
        ("files for phones, signed", data.path / "registry" / "tuf"),
        ("the phone", data.phone),
    ):
        lines.add_row(words, _short(place))
    lines.add_row("")
    for words, command in (
        ("start the suite again", up),
        ("be a phone while it runs", f"phone update{state}"),
        ("score a message, offline", f'phone score{state} "您的验证码是 604817"'),
    ):
        lines.add_row(words, f"{quietline} {command}")
    return Panel(lines, title="where things lie, and how to go on 接下来")


def _report(data: DataDirectory, run_id: str) -> Path:
    return data.path / "training" / "runs" / run_id / "report.html"


def _short(path: Path) -> str:
    """Gives a path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _own_name() -> str:
    """Gives what one types to call this program: with its folder where the shell would not find it."""
    typed = Path(sys.argv[0])
    found = shutil.which("quietline")
    if typed.name != "quietline" or (found is not None and Path(found).samefile(typed)):
        return "quietline"
    return str(typed)
