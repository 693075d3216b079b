"""Settings: every fault at once, misspelt names found, secrets never shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pulso.config import ConfigFaults, at_least, choice, documented, load, load_all, required, setting
from pulso.process import load_or_exit
from pulso.settings import KitSettings


@dataclass(frozen=True, slots=True)
class Oven:
    code: str = required(
        "The secret code.", check=lambda v: None if len(v) > 8 else "must have more than 8 characters", secret=True
    )
    heat: int = setting(180, "How hot.", check=at_least(50))
    fan: bool = setting(False, "Whether it blows.")
    mode: str = choice("bake", "What it does", "bake", "grill")
    racks: tuple[str, ...] = setting((), "Which racks.")
    manual: Path = setting(Path("manual"), "Where the manual is.")
    seconds: float = setting(1.5, "How long.", check=at_least(0))


CODE = {"PULSO_CODE": "correct horse"}


def faults_of(environ: dict[str, str], *kinds: type) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        load_all(kinds or (Oven,), environ)
    return caught.value.faults


def test_defaults_hold_where_nothing_is_set() -> None:
    assert load(Oven, CODE) == Oven(code="correct horse")


def test_each_kind_of_value_is_read() -> None:
    environ = {
        **CODE, "PULSO_HEAT": "220", "PULSO_FAN": "Yes", "PULSO_MODE": "grill", "PULSO_RACKS": "top, ,low",
        "PULSO_MANUAL": "/m", "PULSO_SECONDS": "0.5",
    }  # fmt: skip
    expected = Oven("correct horse", 220, True, "grill", ("top", "low"), Path("/m"), 0.5)
    assert load(Oven, environ) == expected


def test_every_fault_is_reported_at_once() -> None:
    environ = {
        "PULSO_HEAT": "hot", "PULSO_FAN": "maybe", "PULSO_MODE": "fry", "PULSO_SECONDS": "-1", "PULSO_HAET": "3",
    }  # fmt: skip
    faults = faults_of(environ)
    named = {fault.split(":")[0] for fault in faults}
    assert named == {"PULSO_HEAT", "PULSO_FAN", "PULSO_MODE", "PULSO_SECONDS", "PULSO_HAET", "PULSO_CODE"}
    assert len(faults) == len(named)


@pytest.mark.parametrize("text", ["49", "1.5", "1e3", "0x50", "٣", "9" * 5000])
def test_number_that_is_none_or_too_small_is_a_fault(text: str) -> None:
    assert "PULSO_HEAT" in faults_of({**CODE, "PULSO_HEAT": text})[0]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_number_that_is_not_finite_is_a_fault(text: str) -> None:
    assert "PULSO_SECONDS" in faults_of({**CODE, "PULSO_SECONDS": text})[0]


def test_the_choices_are_named_once() -> None:
    assert faults_of({**CODE, "PULSO_MODE": "fry"}) == [
        "PULSO_MODE: 'fry' is none of these. What it does: bake or grill."
    ]


def test_misspelt_name_is_a_fault_with_a_suggestion() -> None:
    assert faults_of({**CODE, "PULSO_MDOE": "grill"}) == ["PULSO_MDOE: unknown. Did you mean PULSO_MODE?"]


def test_misspelt_name_of_a_file_is_a_fault_with_a_suggestion() -> None:
    (fault,) = faults_of({**CODE, "PULSO_CDOE_FILE": "/x"})
    assert "Did you mean PULSO_CODE" in fault


def test_setting_of_another_process_is_no_fault() -> None:
    assert load(Oven, {**CODE, "PULSO_DATA": "/d"}, known=(KitSettings,)).heat == 180


def test_variables_of_others_are_none_of_our_business() -> None:
    assert load(Oven, {**CODE, "HEAT": "x", "PATH": "/bin"}).heat == 180


def test_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "code").write_text("correct horse\n", encoding="utf-8")
    assert load(Oven, {"PULSO_CODE_FILE": str(tmp_path / "code")}).code == "correct horse"


def test_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults_of({"PULSO_CODE_FILE": str(tmp_path / "absent")})
    assert "cannot be read" in fault
    assert "absent" in fault


def test_file_of_no_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "code").write_bytes(b"\xff\xfe\x00")
    (fault,) = faults_of({"PULSO_CODE_FILE": str(tmp_path / "code")})
    assert "PULSO_CODE" in fault


def test_value_and_file_together_are_a_fault(tmp_path: Path) -> None:
    (fault,) = faults_of({**CODE, "PULSO_CODE_FILE": str(tmp_path / "code")})
    assert "not both" in fault


@pytest.mark.parametrize("secret", ["s3cret", "s3cret-and-long"])
def test_secret_is_never_shown(secret: str, tmp_path: Path) -> None:
    environ = {"PULSO_CODE": secret, "PULSO_HEAT": "x", "PULSO_CODE_FILE": str(tmp_path / "code")}
    assert "s3cret" not in str(faults_of(environ))
    assert "s3cret" not in str(faults_of({"PULSO_CODE": "s3cret", "PULSO_HEAT": "x"}))


def test_password_in_the_url_of_redis_is_never_shown() -> None:
    for url in ("redis://:s3cret@h/0", "http://:s3cret@h"):
        for more in ({"PULSO_REDIS_URL_FILE": "/absent"}, {"PULSO_OPS_PORT": "x"}):
            assert "s3cret" not in str(faults_of({"PULSO_REDIS_URL": url, **more}, KitSettings))


@pytest.mark.parametrize("url", ["banana", "http://127.0.0.1", "redis://h:port/0"])
def test_url_that_is_none_of_redis_is_a_fault(url: str) -> None:
    assert "PULSO_REDIS_URL" in faults_of({"PULSO_REDIS_URL": url}, KitSettings)[0]


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_port_that_is_none_is_a_fault(port: str) -> None:
    assert "PULSO_OPS_PORT" in faults_of({"PULSO_OPS_PORT": port}, KitSettings)[0]


def test_wrong_settings_end_the_process_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_or_exit((Oven,), {"PULSO_HEAT": "x"}, known=())
    assert ended.value.code == 78
    assert capsys.readouterr().err.count("\n") == 2


def test_documentation_shows_each_variable_once() -> None:
    rows = documented((Oven, Oven))
    assert [row.variable for row in rows][:3] == ["PULSO_CODE", "PULSO_HEAT", "PULSO_FAN"]
    assert {row.variable: row.default for row in rows}["PULSO_CODE"] == "(required)"
    assert {row.variable: row.default for row in rows}["PULSO_FAN"] == "off"


def test_an_empty_variable_is_none_at_all() -> None:
    assert load(KitSettings, {"PULSO_OPS_PORT": "", "PULSO_OPS_PORT_FILE": ""}) == KitSettings()
