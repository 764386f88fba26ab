// The mailbox: what came, and what it says.
import { act } from "./api.js";
import { avatar, el, icon, redrawn } from "./dom.js";
import { anchor, clock, day } from "./text.js";

const BARE = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]'])/;

/** The mail program for one person. */
export class Mailbox {
  #list = el("ul", { class: "mails", "aria-label": "Mails" });
  #reading = el("div", { class: "reading-pane" });
  #shown = "";
  #plain = false;

  constructor(person, { names, href }) {
    this.person = person;
    this.names = names;
    this.href = href;
    this.node = el("div", { class: "mailbox" }, this.#list, this.#reading);
  }

  /** Bring it up to date; `open` is the id of the mail that is read. */
  update(screen, open) {
    const chosen = screen.mails.find((mail) => mail.id === open);
    if (chosen?.unread) act("read", { person: this.person, mail: chosen.id });
    redrawn(this.#list, screen.mails.map((mail) => el("li", {}, row(mail, mail === chosen, this.href({ mail: mail.id })))), "mail");
    this.node.classList.toggle("reading", Boolean(chosen));
    // A mail that is being read must not load again when another one comes.
    const shown = JSON.stringify([chosen?.id, this.#plain, screen.mails.length > 0]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const choose = (plain) => () => {
      this.#plain = plain;
      this.update(screen, open);
    };
    this.#reading.replaceChildren(chosen ? this.#letter(chosen, choose) : nothing(screen));
  }

  #letter(mail, choose) {
    const at = new Date(mail.at * 1000);
    const from = sender(mail);
    const plain = this.#plain || !mail.html;
    const tab = (text, wanted) =>
      el("button", { type: "button", "aria-pressed": String(plain === wanted), onclick: choose(wanted) }, text);
    return el(
      "article",
      { class: "letter" },
      el("header", {},
        el("a", { class: "bare back", href: this.href({ mail: null }), "aria-label": "Back to the inbox" }, icon("back")),
        avatar(from.name, { bot: true }),
        el("div", { class: "who" },
          el("h2", {}, mail.subject),
          el("p", {}, el("strong", {}, from.name), ` ${from.address} to ${mail.to}, ${day(at)} at ${clock(at)}`)),
        mail.html && el("div", { class: "tabs", role: "group", "aria-label": "Which part" }, tab("HTML", false), tab("Plain text", true))),
      plain ? el("pre", { class: "plain", tabindex: "0" }, linked(mail.plain, this.names)) : this.#frame(mail),
    );
  }

  #frame(mail) {
    return el("iframe", {
      title: mail.subject,
      src: `/_sandbox/mail/${encodeURIComponent(this.person)}/${encodeURIComponent(mail.id)}`,
      sandbox: "allow-popups allow-popups-to-escape-sandbox",
      referrerpolicy: "no-referrer",
    });
  }
}

function row(mail, chosen, target) {
  const at = new Date(mail.at * 1000);
  return el(
    "a",
    { href: target, class: mail.unread ? "mail unread" : "mail", "aria-current": chosen ? "true" : null, "data-mail": mail.id },
    el("span", { class: "sender" }, sender(mail).name),
    el("time", { datetime: at.toISOString() }, clock(at)),
    el("span", { class: "subject" }, mail.unread && el("span", { class: "hidden" }, "Unread: "), mail.subject),
    el("span", { class: "glimpse" }, mail.plain.replace(/\s+/g, " ").slice(0, 90)),
  );
}

function nothing(screen) {
  const sentence = screen.mails.length ? "Choose a mail to read it." : "No mail yet. What the bot sends by Gmail arrives here.";
  return el("div", { class: "empty" }, icon("mail"), el("p", {}, sentence));
}

const linked = (text, names) => text.split(BARE).map((part, index) => (index % 2 ? anchor(part, part, names) : part));

function sender(mail) {
  const found = /^\s*"?([^"<]*?)"?\s*<([^>]+)>\s*$/.exec(mail.from);
  return found ? { name: found[1] || found[2], address: `<${found[2]}>` } : { name: mail.from, address: "" };
}
