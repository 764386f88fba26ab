// One message as it stands in a channel or in a thread, with its menu and what hangs on it.
import { act } from "./api.js";
import { blockNodes } from "./blocks.js";
import { avatar, el, icon } from "./dom.js";
import { anchor, clock, day, exactly, mrkdwn } from "./text.js";

const COLOURS = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };

/**
 * A message. `about` is what it is drawn with: {person, names, users, shortcuts, inThread, open(ts)}, where `open` shows the
 * thread of the message with that ts.
 */
export function messageNode(message, about) {
  const { person, names, users } = about;
  const user = users[message.user] ?? { real_name: message.user, bot: false };
  const posted = new Date(Number(message.ts) * 1000);
  const classes = ["message", message.ephemeral && "whisper", message.tombstone && "gone"].filter(Boolean).join(" ");
  const use = (name) => (block, element, value) =>
    act(name, {
      person, channel: message.channel, ts: message.ts, block_id: block.block_id, action_id: element.action_id, value: value ?? null,
    });
  const suggest = (block, element, query) =>
    act("suggest", { person, channel: message.channel, ts: message.ts, action_id: element.action_id, query });
  const place = { names, click: use("click"), select: use("select"), suggest };
  return el(
    "article",
    { class: classes, tabindex: "-1", "data-ts": message.ts, "aria-label": `${user.real_name}, ${clock(posted)}` },
    avatar(user.real_name, { bot: user.bot }),
    el("div", { class: "said" },
      message.ephemeral && el("p", { class: "only-you" }, icon("eye"), "Only visible to you"),
      message.broadcast && el("p", { class: "only-you" }, icon("thread"), about.inThread ? "Also sent to the channel" : "Replied to a thread"),
      el("p", { class: "byline" },
        el("strong", {}, user.real_name),
        user.bot && el("span", { class: "app" }, "App"),
        user.external && el("span", { class: "app" }, "External"),
        el("time", { datetime: posted.toISOString(), title: exactly(posted) }, clock(posted))),
      el("div", { class: "told" },
        message.blocks.length ? blockNodes(message.blocks, place) : message.text && el("div", { class: "text" }, mrkdwn(message.text, names)),
        message.attachments.map((each) => attachmentNode(each, place)),
        message.edited && el("span", { class: "edited" }, " (edited)")),
      reactions(message),
      !about.inThread && (message.broadcast ? toThread(message, about) : message.replies && repliesOf(message, about))),
    !message.ephemeral && !message.tombstone && toolbar(message, about),
  );
}

/** Blocks, or the old fields, beside a bar in the attachment's colour. */
function attachmentNode(attachment, place) {
  const node = el("div", { class: "attachment" });
  const { names } = place;
  const colour = COLOURS[attachment.color] ?? attachment.color;
  if (colour) node.style.borderLeftColor = colour;
  const text = (name, look) => attachment[name] && el("div", { class: look }, mrkdwn(attachment[name], names));
  if (attachment.blocks) node.append(...blockNodes(attachment.blocks, place));
  else {
    const title = attachment.title && (attachment.title_link ? anchor(attachment.title_link, attachment.title, names) : attachment.title);
    const fields = (attachment.fields ?? []).map((each) => el("div", {}, el("strong", {}, each.title), el("div", {}, mrkdwn(each.value ?? "", names))));
    const parts = [text("pretext", "text"), title && el("strong", {}, title), text("text", "text"), fields.length > 0 && el("div", { class: "fields" }, fields), text("footer", "context")];
    node.append(...parts.filter(Boolean));
  }
  return node;
}

function reactions(message) {
  const given = Object.entries(message.reactions);
  return given.length > 0 && el("p", { class: "reactions" }, given.map(([name, count]) => el("span", {}, mrkdwn(`:${name}:`, {}), ` ${count}`)));
}

/** "3 replies", which opens the thread; bold while there is something new in it. */
function repliesOf(message, about) {
  const { count, users, latest, unread } = message.replies;
  const last = new Date(Number(latest) * 1000);
  return el(
    "button",
    { type: "button", class: unread ? "replies unread" : "replies", "data-action": "replies", onclick: () => about.open(message.ts) },
    users.slice(0, 3).map((id) => avatar(about.users[id]?.real_name ?? id, { bot: about.users[id]?.bot, small: true })),
    el("strong", {}, count === 1 ? "1 reply" : `${count} replies`),
    unread > 0 && el("span", { class: "badge" }, String(unread), el("span", { class: "hidden" }, " new")),
    el("span", { class: "last" }, `Last reply ${day(last)} at ${clock(last)}`),
  );
}

const toThread = (message, about) =>
  el("button", { type: "button", class: "replies", "data-action": "replies", onclick: () => about.open(message.thread_ts) }, el("strong", {}, "View thread"));

/** What one can do with a message: answer in its thread, use the app's shortcuts, delete it. */
function toolbar(message, about) {
  const { person, shortcuts } = about;
  const where = { person, channel: message.channel, ts: message.ts };
  const own = message.user === about.me;
  const entry = (text, about_it, perform) => el(
    "button",
    { type: "button", onclick: () => { menu.removeAttribute("open"); perform(); } },
    el("strong", {}, text), about_it && el("span", {}, about_it),
  );
  const menu = el(
    "details",
    { class: "menu" },
    el("summary", { class: "bare", "aria-label": "Message menu", title: "Message menu", "data-action": "menu" }, icon("more")),
    el("div", { class: "list" },
      shortcuts.filter((each) => each.type === "message").map((each) =>
        entry(each.name, each.description, () => act("shortcut", { ...where, callback_id: each.callback_id }))),
      entry(own ? "Delete message" : "Delete as an administrator", null, () => act("delete", where))),
  );
  return el(
    "div",
    { class: "toolbar" },
    !about.inThread && el(
      "button",
      { type: "button", class: "bare", "aria-label": "Reply in thread", title: "Reply in thread", "data-action": "thread", onclick: () => about.open(message.thread_ts ?? message.ts) },
      icon("thread"),
    ),
    menu,
  );
}
