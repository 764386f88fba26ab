"""Approvals by mail and in channels, in advance, and with more answers than two (scenarios W1, W2, W4, W9, W10)."""

from __future__ import annotations

from bot.demo.play import Act, Play, expect


async def by_mail(play: Play) -> None:
    people = {"first": "bob@example.com", "second": "cat@example.com"}
    run = await play.start("ann", "gmail_approval", subject="the new price list", **people)
    bobs, cats = await play.link("bob", "price list"), await play.link("cat", "price list")
    expect(bobs != cats, "a link of one's own for each", "the same link")
    await play.waits(run, "gate", "0 of 1")
    await play.on_page("bob", bobs, "approve", "Looks right.")
    view = await play.ends(run, "succeeded")
    expect("Bob" in str(view.steps["hello"].output), "a hello that names Bob", str(view.steps["hello"].output))
    page = await play.on_page("cat", cats, "approve")
    expect(page.shows("Bob Baker"), "a page that says who decided", page.text[:200])


async def two_by_mail(play: Play) -> None:
    people = {"first": "bob@example.com", "second": "cat@example.com", "third": "dan@example.com"}
    run = await play.start("ann", "notify_approvers", subject="the office move", **people)
    links = {who: await play.link(who, "office move") for who in ("bob", "cat", "dan")}
    await play.on_page("cat", links["cat"], "approve")
    await play.waits(run, "gate", "1 of 2")
    await play.on_page("dan", links["dan"], "approve")
    await play.ends(run, "succeeded")
    post = await play.reads("eve", "was approved by")
    ids = {who: f"<@{play.human(who).id}>" for who in links}
    expect(
        f"{ids['cat']}, {ids['dan']}" in post.text and ids["bob"] not in post.text,
        "exactly Cat and Dan, in that order",
        post.text,
    )
    page = await play.on_page("bob", links["bob"], "approve")
    expect(not page.forms, "no form any more", "a form")


async def release(play: Play) -> None:
    run = await play.start("dan", "release", version="1.4.0", changes="Faster search.")
    card = await play.card("bob", "Release 1.4.0 to production?")
    await play.clicks("bob", card, "Approve")
    await play.waits(run, "gate", "1 of 2")
    await play.clicks("bob", card, "Approve")
    await play.is_told("bob", "already")
    await play.clicks("dan", card, "Approve")
    await play.is_told("dan", "your own request")
    await play.clicks("ann", card, "Approve")
    await play.is_told("ann", "not one of the people")
    await play.waits(run, "gate", "1 of 2")
    await play.clicks("cat", card, "Approve")
    await play.ends(run, "succeeded")
    post = await play.reads("ann", "goes to production, approved by")
    expect(play.human("bob").id in post.text and play.human("cat").id in post.text, "Bob and Cat", post.text)
    expect(not play.human("bob").now(card).buttons(), "a card without buttons", "buttons")


async def for_a_message(play: Play) -> None:
    ann, bob = play.human("ann"), play.human("bob")
    said = await bob.say("Shall we order the blue chairs?", channel="releases")
    await ann.shortcut("ask_message", said)
    await ann.gets_modal("The card links to")
    await ann.submit({"-users": [bob, play.human("cat")], "-quorum": "2"})
    await ann.gets_modal("They are asked")
    play.tell("Ann Archer asks approval for Bob's message")
    (run,) = await play.stage.app.engine.requested((await play.stage.person("ann")).id, limit=1)
    await play.waits(run.run.id, "decision", "0 of 2")
    for who in ("bob", "cat"):
        card = await play.card(who, "Shall we order the blue chairs?")
        await play.clicks(who, card, "Approve")
    await play.ends(run.run.id, "succeeded")
    await play.stage.app.runner.idle()
    shown = (await play.standing("ann", "Shall we order the blue chairs?")).shown_text()
    expect("*Succeeded*" in shown, "how it ended, where Ann was shown that it waits", shown)


async def with_code(play: Play) -> None:
    run = await play.start("ann", "contract", partner="Globex", amount=4800, signer="dan@example.com")
    link = await play.link("dan", "Sign the contract with Globex")
    mail = await play.human("dan").gets_mail("Sign the contract with Globex")
    code = mail.plain.partition("asks for this code: ")[2].split()[0]
    await play.on_page("dan", link, "approve", refused="The code is needed")
    await play.waits(run, "signature", "0 of 1")
    await play.on_page("dan", link, "approve", code=code)
    await play.ends(run, "succeeded")
    await play.reads("ann", "has signed the contract with Globex")


async def refund(play: Play) -> None:
    inputs = {"customer": "zoe@example.net", "order": "4711", "lead": "bob@example.com"}
    run = await play.start("ann", "refund", **inputs)
    card = await play.card("bob", "zoe@example.net asks for a refund of order 4711")
    await play.clicks("bob", card, "Refund it")
    await play.fills_in("bob", message="It is on its way.")
    view = await play.ends(run, "succeeded")
    taken = {path for path in view.steps if path.startswith("act.")}
    expect(taken == {"act.case_refund.pay", "act.case_refund.good_news"}, "the steps of a refund", str(taken))
    refunds = play.stage.company.shop.refunds
    expect(refunds[-1] == {"order": "4711", "approved_by": "bob@example.com"}, "one refund", str(refunds))
    mail = play.stage.sandbox.office.inbox("zoe@example.net")[-1]
    expect(mail.plain.strip() == "It is on its way.", "Bob's message in the customer's mail", mail.plain)


async def in_advance(play: Play) -> None:
    run = await play.start("ann", "pre_approval", version="2.0.0")
    await play.waits(run, "build")
    await play.stage.mail_in_advance(run, "bob")
    await play.on_page("bob", await play.link("bob", "decide in advance"), "approve")
    await play.waits(run, "build")
    await play.time_passes("1m")
    post = await play.reads("ann", "Release 2.0.0 goes out")
    expect(post.text.endswith("in advance."), "a release that was approved in advance", post.text)
    # Used once: the second approval would take one as well, and waits anew.
    await play.waits(run, "retire", "0 of 1")
    card = await play.card("cat", "Delete what ran before 2.0.0?")
    await play.clicks("cat", card, "Approve")
    await play.ends(run, "succeeded")


async def when_it_asks_already(play: Play) -> None:
    run = await play.start("ann", "pre_approval", version="2.0.1")
    await play.stage.mail_in_advance(run, "cat")
    link = await play.link("cat", "decide in advance")
    await play.time_passes("1m")
    await play.waits(run, "gate", "0 of 1")
    await play.on_page("cat", link, "approve")
    await play.waits(run, "retire", "0 of 1")
    post = await play.reads("ann", "Release 2.0.1 goes out")
    expect("in advance" not in post.text, "an approval that has seen what is asked", post.text)


ACTS = (
    Act("release", "Two of three managers say yes; a second click and two others are refused, and told why.", release),
    Act("ask", "Ann asks approval for a message of Bob's; two people say yes on cards that link to it.", for_a_message),
    Act("gmail_approval", "Each gets a link of their own; Bob's yes is enough, and Cat reads that.", by_mail),
    Act("notify_approvers", "Two of three approve by mail; Slack reads exactly who, in order.", two_by_mail),
    Act("contract", "Dan signs by mail, and only with the code that the mail shows.", with_code),
    Act("refund", "Bob chooses one of three answers: the flow goes that way, with his message.", refund),
    Act("pre_approval", "Bob approves before the build is ready: it counts for the first approval only.", in_advance),
    Act("pre_approval", "Cat uses such a link when it asks already: it counts at once.", when_it_asks_already),
)
