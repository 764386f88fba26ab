"""Replies that read like a verdict: "ok", "approved", ":+1:", "nein". Exact phrases only, and pure.

Nothing counts because it stands here. It decides who is asked whether they meant their card: a phrase that is missing
costs somebody a click, and one too many would ask people about what they only said in passing.
"""

from __future__ import annotations

import re
import unicodedata

from flows.run import Verdict

_YES = """
    ok; okay; okey; k; yes; yep; yup; yeah; sure; approve; approved; i approve; approving; accept; accepted; agreed;
    i agree; confirmed; granted; lgtm; looks good; looks good to me; sgtm; sounds good; ship it; go; go ahead; go for it;
    fine; fine by me; fine with me; all good; good to go; +1; thumbsup; white_check_mark; heavy_check_mark; ok_hand;
    ja; jawohl; passt; genehmigt; freigegeben; einverstanden; in ordnung; oui; d'accord; approuvé; validé; accordé; sí;
    si; vale; de acuerdo; aprobado; va bene; approvato; sim; aprovado; goedgekeurd; akkoord; godkänd; godkendt; godkjent;
    hyväksytty; zatwierdzone; zgoda; schváleno; tak; да; согласен; одобрено; tamam; onaylandı; はい; 承認; 承認します;
    了解; 好; 好的; 同意; 批准; 네; 승인; ठीक है; हाँ; نعم; موافق; כן; מאושר
"""
_NO = """
    no; nope; nah; reject; rejected; i reject; rejecting; decline; declined; deny; denied; refused; not approved; veto;
    -1; thumbsdown; x; no_entry; no_entry_sign; nein; abgelehnt; nicht genehmigt; non; refusé; rejeté; rechazado;
    denegado; rifiutato; respinto; não; rejeitado; recusado; nee; afgewezen; afgekeurd; nej; avslag; avvisad; afvist; nei;
    ei; hylätty; nie; odrzucone; ne; zamítnuto; нет; отклонено; hayır; reddedildi; いいえ; 却下; 否决; 拒绝; 不同意; 不;
    아니요; 거절; नहीं; لا; مرفوض; לא; נדחה
"""
_LONGEST = 60  # characters of a phrase with what stands around it
_TONE = re.compile(r"[\U0001F3FB-\U0001F3FF\ufe0f]|:skin-tone-\d:")
_PICTURES = {
    "👍": "thumbsup",
    "👎": "thumbsdown",
    "✅": "white_check_mark",
    "✔": "heavy_check_mark",
    "❌": "x",
    "👌": "ok_hand",
}
_CODE = re.compile(r":([a-z0-9_+-]+):")
_MENTION = re.compile(r"^<@[A-Z0-9]+(?:\|[^>]*)?>[\s,:]*")


def _phrases(text: str) -> frozenset[str]:
    return frozenset(_plain(phrase) for phrase in " ".join(text.split()).split(";"))


def _plain(text: str) -> str:
    """Without case, accents written apart, punctuation around it, tones of skin, and marks of style."""
    text = _TONE.sub("", unicodedata.normalize("NFC", text)).casefold().strip()
    text = "".join(f" {_PICTURES[letter]} " if letter in _PICTURES else letter for letter in text)
    text = _CODE.sub(r" \1 ", text).replace("’", "'")
    return " ".join(text.split()).strip(" .!…,;:*_~`\"'")


_SAID = dict.fromkeys(_phrases(_YES), Verdict.APPROVE) | dict.fromkeys(_phrases(_NO), Verdict.REJECT)


def verdict_of(text: str) -> Verdict | None:
    """What a reply says if it says nothing else; None for everything that is more than a verdict.

    A mention in front of it is somebody being addressed. The same twice (``ok ok``, two thumbs) is the same.
    """
    text = _MENTION.sub("", text.strip())
    if not text or len(text) > _LONGEST:
        return None
    plain = _plain(text)
    words = plain.split(" ")
    if len(set(words)) == 1:
        plain = words[0]
    return _SAID.get(plain)
