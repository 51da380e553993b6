"""Edition statements in several languages: what is one edition, and what stays apart."""

import pytest

from .test_keys import key


def edition(text: str) -> object:
    return key("edition_key", edition=text)


@pytest.mark.parametrize(
    "same",
    [
        ("1st ed.", "第1版", "1-е изд.", "Izd. 1-e", "Первое издание", "Première édition", "1re éd.", "1ère éd.",
         "Prima edizione", "Erste Auflage", "1. Aufl.", "Primera edición", "1ª ed.", "Ed. 1", "Version 1.0"),
        ("2nd ed.", "第2版", "再版", "2-е изд.", "Изд. 2-е", "Izd. 2-e", "2-oe izd.", "Второе издание",
         "Vtoroe izdanie", "Zweite Auflage", "2. Aufl.", "2. Auflage", "2., überarb. Aufl.", "Deuxième édition",
         "Seconde édition", "2e éd.", "2ème éd.", "Seconda ed., riv. e amp.", "Segunda edición", "2a ed.",
         "2ª ed.", "2° ed.", "Segunda edição", "Editio secunda", "Ed. 2", "Edition 2", "Ed. 2a, riveduta",
         "Wyd. 2", "Version 2.0", "Изд. 2-е доп.", "Izd. 2-e, ispr. i dop."),
        ("3rd ed.", "3-е изд., стер.", "3-е изд., перераб. и доп.", "Tretʹe izd.", "Troisième édition revue",
         "Terza edizione", "Dritte Auflage", "Nach der dritten Auflage", "Tercera edición", "Version 3.0",
         "3. Nachdruck der 3. Aufl.", "Deuxième tirage de la 3e éd."),
        ("Vierte Auflage", "4th ed."),
        ("Ed. quinta auctior et emendatior", "5th ed."),
        ("Twenty-first ed.", "21st ed.", "Twenty first edition", "Vingt et unième édition", "第二十一版"),
        ("Twenty-second ed.", "22nd ed.", "Vigésima segunda edición", "Vingt-deuxième éd.",
         "Двадцать второе изд."),
        ("Thirtieth ed.", "30th ed."), ("Fiftieth edition", "50th ed."), ("Ninety-ninth ed.", "99th ed."),
        ("Rev. ed.", "改訂版", "増補改訂版", "新訂版", "増訂版", "增订版", "增修版", "修訂再版",
         "Rev. ed. 2nd printing", "перераб. изд.", "Изд. доп. и испр.", "1-е изд., доп.", "Izd. ispr. i dop.",
         "Überarb. Aufl.", "Erw. Aufl.", "Verbesserte Auflage",
         "Éd. revue et augmentée", "Ed. riveduta", "Ed. revisada", "Augmented ed."),
    ],
)  # fmt: skip
def test_one_edition_in_many_languages(same: tuple[str, ...]) -> None:
    assert {text: edition(text) for text in same} == dict.fromkeys(same, edition(same[0]))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2-е изд.", "3-е изд., стер."), ("Izd. 2-e", "Izd. 3-e"), ("2-е изд.", "1-е изд."),
        ("Deuxième édition", "Troisième édition"), ("Seconda edizione", "Terza edizione"),
        ("Dritte Auflage", "Vierte Auflage"), ("Segunda edición", "Tercera edición"),
        ("Version 2.0", "Version 3.0"), ("Version 2.0", "Version 2.1"), ("Second ed.", "Twenty-second ed."),
        ("Twenty-first ed.", "First ed."), ("改訂版", "初版"), ("増訂版", "初版"),
        ("再版", "初版"), ("再版", "第3版"),
    ],
)  # fmt: skip
def test_editions_kept_apart(left: str, right: str) -> None:
    assert edition(left) != edition(right)


@pytest.mark.parametrize(
    "text",
    [
        "第1版第3次印刷", "2nd printing", "3. Nachdruck", "Zweiter Abdruck", "Deuxième tirage", "Reprint",
        "Доп. тираж", "Twenty-second printing", "Twentieth thousand ed.", "1985年再版",  # impressions
        "Ed. 16 Jan. 1946", "Ed. 12/01", "Ed. 12.5.1999", "Ed. 2000", "Version 12 August 2021", "Изд. 1913 г.",
        "National ed. ... v. 7-8.", "Library ed. 2 v.",  # volumes
        "Student ed.", "Quarto ed.", "20-page ed.", "3-D ed.", "Riverside ed.", "Fiftieth anniversary edition",
        "Twenty-first century ed.",
    ],
)  # fmt: skip
def test_other_numbers_are_no_editions(text: str) -> None:
    assert edition(text) == "1"
