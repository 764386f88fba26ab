// The page: whose screen it is and what is open stand in the address; the screen itself comes as it changes.
import { act, ask, follow } from "./api.js";
import { BadDays } from "./bad_days.js";
import { Conversation } from "./conversation.js";
import { avatar, el, icon, redrawn, toast } from "./dom.js";
import { Home } from "./home.js";
import { Mailbox } from "./mail.js";
import { Modal } from "./modal.js";
import { openStart } from "./start.js";
import { readIn } from "./text.js";
import { Thread } from "./thread.js";

const byId = (id) => document.getElementById(id);
const modal = new Modal();
const badDays = new BadDays();
const noticesSeen = new Map();
let guide = null;
let screen = null;
let route = { as: null, open: "dm" };
let stop = null;
let conversation = null;
let mailbox = null;
let thread = null;
let home = null;
let panel = null; // {person, dialog}; the dialog is there once the flows are

// -- the address

function readAddress() {
  const query = new URLSearchParams(location.search);
  const get = (name) => query.get(name);
  return { as: get("as") ?? localStorage.getItem("as"), open: get("open") ?? "dm", at: get("at"), thread: get("thread"), mail: get("mail"), flow: get("flow") };
}

function href(changes) {
  const wanted = { ...route, ...changes };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) if (value !== null && value !== undefined) query.set(name, value);
  return `?${query}`;
}

function go(address, { replace = false } = {}) {
  if (address !== location.search) history[replace ? "replaceState" : "pushState"](null, "", address);
  arrive();
}

function arrive() {
  const before = route;
  route = readAddress();
  if (route.open !== "home") home = null;
  document.body.classList.remove("menu-open");
  byId("menu").setAttribute("aria-expanded", "false");
  if (!stop || route.as !== before.as) connect();
  else render();
}

const place = (name) => (target) => href({ open: target, at: null, thread: null, mail: null, flow: null, ...(name ? { as: name } : {}) });
const openThread = (ts) => go(href({ thread: ts, at: null }));

const names = {
  users: {}, channels: {}, groups: {},
  go(url) {
    const found = /\/archives\/(\w+)\/p(\d+)(\d{6})(?:\?thread_ts=([\d.]+))?/.exec(url);
    if (found) go(href({ open: found[1], at: `${found[2]}.${found[3]}`, thread: found[4] ?? null, mail: null, flow: null }));
  },
};

// -- news

function connect() {
  stop?.();
  conversation = thread = home = null;
  stop = follow(route.as ?? "", {
    screen: (news) => {
      screen = news;
      if (route.as !== screen.me) {
        route.as = screen.me;
        history.replaceState(null, "", href({}));
      }
      localStorage.setItem("as", screen.me);
      readIn(screen.zone);
      Object.assign(names, { users: screen.users, channels: screen.channels, groups: screen.groups });
      tellNotices();
      render();
    },
    connected: (well) => {
      byId("connection").textContent = well ? "" : "Not connected. Trying again …";
    },
    unknown: () => {
      localStorage.removeItem("as");
      go(href({ as: null }), { replace: true });
    },
  });
}

function tellNotices() {
  const seen = noticesSeen.get(screen.me) ?? screen.notices.length;
  screen.notices.slice(seen).forEach((notice) => toast(notice, { trouble: true }));
  noticesSeen.set(screen.me, screen.notices.length);
}

// -- drawing

function render() {
  if (!screen || screen.me !== (route.as ?? screen.me)) return;
  const me = screen.people.find((each) => each.key === screen.me);
  renderWorkspaces(me);
  document.title = `${me.unread ? `(${me.unread}) ` : ""}${me.name} · ${screen.workspace} sandbox`;
  redrawn(byId("people"), screen.people.filter((each) => each.workspace === me.workspace).map(personLink), "person");
  redrawn(byId("places"), sidebar(), "place");
  renderZone();
  renderMain();
  renderThread();
  badDays.show(screen);
  modal.show(screen.modal, screen.me, names);
  renderPanel(me);
  document.body.dataset.ready = screen.me;
}

/** Where there are several workspaces, one can change over: to whoever comes first in the other. */
function renderWorkspaces(me) {
  const several = screen.workspaces.length > 1;
  const menu = byId("workspaces");
  byId("workspace").textContent = screen.workspace;
  byId("workspace").hidden = several;
  menu.hidden = !several;
  const all = JSON.stringify(screen.workspaces);
  if (menu.dataset.all !== all) {
    menu.dataset.all = all;
    menu.replaceChildren(...screen.workspaces.map((each) => el("option", { value: each.id }, each.name)));
  }
  menu.value = me.workspace;
}

/** The time zone in the profile of whoever one is. */
function renderZone() {
  const menu = byId("zone");
  if (menu.options.length === 0) {
    const zones = new Set([...(Intl.supportedValuesOf?.("timeZone") ?? []), "UTC"]);
    menu.replaceChildren(...[...zones].map((each) => el("option", { value: each }, each.replaceAll("_", " "))));
  }
  if (![...menu.options].some((each) => each.value === screen.zone)) menu.append(el("option", { value: screen.zone }, screen.zone));
  if (document.activeElement !== menu) menu.value = screen.zone;
}

function badge(count) {
  return count > 0 && el("span", { class: "badge" }, String(count), el("span", { class: "hidden" }, " unread"));
}

function personLink(person) {
  const current = person.key === screen.me ? "true" : null;
  const target = href({ as: person.key, at: null, thread: null, mail: null, flow: null });
  const odd = person.sort === "member" || person.sort === "admin" ? null : person.sort;
  const about = [person.email, odd].filter(Boolean).join(", ");
  return el("li", {}, el(
    "a",
    { href: target, class: odd === "deactivated" ? "gone" : null, "aria-current": current, "data-person": person.key, title: `Be ${person.name}${about && ` (${about})`}` },
    avatar(person.name, { small: true }), el("span", { class: "name" }, person.name.split(" ")[0]),
    odd && el("span", { class: "odd" }, odd), badge(person.unread),
  ));
}

function sidebar() {
  const at = place();
  const entry = (target, name, drawing, unread) =>
    el("li", {}, el(
      "a",
      { href: at(target), "data-place": target, class: unread ? "unread" : null, "aria-current": isOpen(target) ? "page" : null },
      drawing, el("span", { class: "name" }, name), badge(unread),
    ));
  const list = (title, entries) => [el("h2", {}, title), el("ul", {}, entries)];
  const channels = screen.places.filter((each) => each.kind !== "dm");
  const dm = screen.places.find((each) => each.kind === "dm");
  const mails = screen.mails.filter((mail) => mail.unread).length;
  return [
    ...list("Slack channels", channels.map((each) => entry(keyOf(each), each.name, icon(each.private || each.archived ? "lock" : "hash"), each.unread))),
    ...list("Slack messages", [entry("dm", dm.name, avatar(dm.name, { bot: true, small: true }), dm.unread)]),
    ...list("Mail", [entry("mail", "Inbox", icon("mail"), mails)]),
  ];
}

const keyOf = (each) => (each.kind === "dm" ? "dm" : each.kind === "channel" ? each.name : each.id);
const isOpen = (target) => target === (route.open === "home" ? "dm" : opened() ? keyOf(opened()) : route.open);
const opened = () => screen.places.find((each) => keyOf(each) === route.open || each.id === route.open);

function renderMain() {
  const main = byId("main");
  const current = opened();
  if (route.open === "mail") {
    conversation = null;
    if (!mailbox || mailbox.person !== screen.me || !main.contains(mailbox.node)) {
      mailbox = new Mailbox(screen.me, { names, href });
      main.replaceChildren(title(icon("mail"), "Inbox", me().email), mailbox.node);
    }
    mailbox.update(screen, route.mail);
  } else if (route.open === "home") {
    conversation = null;
    renderHome(main);
  } else if (!current) {
    conversation = null;
    main.replaceChildren(el("div", { class: "empty" }, el("p", {}, `${me().name} is not in this place. Choose another one, or be somebody else.`)));
  } else {
    if (!conversation?.shows(screen.me, current)) {
      conversation = new Conversation(screen.me, current, { names, app: screen.app, hints: guide?.commands ?? {}, open: openThread });
      main.replaceChildren(el("div"), conversation.node);
    }
    renderTitle(main, current);
    conversation.update(screen, current, route.thread ? null : route.at);
    const unread = current.messages.some((message) => !message.thread_ts || message.broadcast) && current.unread > 0;
    if (unread && document.visibilityState === "visible") {
      const last = current.messages.filter((message) => !message.thread_ts || message.broadcast).at(-1);
      act("read", { person: screen.me, channel: current.id, ts: last.ts });
    }
  }
}

function renderTitle(main, current) {
  const dm = current.kind === "dm";
  const mark = dm ? avatar(current.name, { bot: true, small: true }) : icon(current.private ? "lock" : "hash");
  const words = [
    `${current.members} members`,
    current.shared && "shared by Slack Connect",
    current.archived && "archived",
    !current.bot && "the bot is not here",
  ];
  const about = dm ? (screen.installed ? null : `not installed in ${screen.workspace}`) : words.filter(Boolean).join(" · ");
  const content = JSON.stringify([current.name, about, route.open]);
  if (main.firstChild.dataset?.content === content) return;
  const node = title(mark, current.name, about, dm);
  node.dataset.content = content;
  main.firstChild.replaceWith(node);
}

/** The thread beside the channel, where the address names one. */
function renderThread() {
  const beside = byId("beside");
  const current = opened();
  const known = current?.messages.some((message) => message.ts === route.thread);
  beside.hidden = !route.thread || !known || route.open === "home" || route.open === "mail";
  if (beside.hidden) {
    thread = null;
    beside.replaceChildren();
    return;
  }
  if (!thread?.shows(screen.me, current, route.thread)) {
    thread = new Thread(screen.me, current, route.thread, { names, close: () => go(href({ thread: null, at: null })) });
    beside.replaceChildren(thread.node);
  }
  thread.update(screen, current);
}

const me = () => screen.people.find((each) => each.key === screen.me);

function title(mark, name, about, withTabs = false) {
  const tab = (target, text) => el("a", { href: place()(target), "aria-current": route.open === target || (target === "dm" && route.open !== "home") ? "page" : null }, text);
  return el("header", { class: "title" }, mark, el("h1", {}, name), about && el("span", { class: "about" }, about),
    withTabs && el("nav", { class: "tabs", "aria-label": name }, tab("dm", "Messages"), tab("home", "Home")));
}

function renderHome(main) {
  if (home?.person !== screen.me || !main.contains(home.node)) {
    home = new Home(screen.me, { names });
    const dm = screen.places.find((each) => each.kind === "dm");
    main.replaceChildren(title(avatar(dm.name, { bot: true, small: true }), dm.name, null, true), home.node);
  }
  home.update(screen.home);
}

function renderPanel(who) {
  if (panel && (route.flow === null || panel.person !== screen.me)) {
    const closing = panel;
    panel = null;
    closing.dialog?.close();
  }
  if (route.flow === null || panel) return;
  const mine = { person: screen.me, dialog: null };
  const navigate = (flow) => {
    if (panel !== mine) return;
    if (flow === null) panel = null;
    go(href({ flow }), { replace: true });
  };
  panel = mine;
  openStart({ person: screen.me, name: who.name, names, flow: route.flow, navigate }).then(
    (dialog) => {
      mine.dialog = dialog;
      if (panel !== mine) dialog.close();
    },
    () => {
      navigate(null);
      toast("The sandbox does not answer. Is it still running?", { trouble: true });
    },
  );
}

// -- what is this?

function drawGuide() {
  const aside = byId("guide");
  byId("help").hidden = !guide;
  if (!guide) return;
  const close = el("button", { type: "button", class: "bare", "aria-label": "Close the hint", onclick: () => showGuide(false) }, icon("close"));
  aside.replaceChildren(el("div", {},
    el("header", {}, el("h2", {}, guide.title), close),
    el("p", {}, guide.lead),
    guide.steps.length > 0 && el("h3", {}, "Try this"),
    el("ol", {}, guide.steps.map(step)),
    guide.more.length > 0 && [el("h3", {}, "And then"), el("ul", {}, guide.more.map(step))],
    guide.notes && el("p", { class: "notes" }, guide.notes),
  ));
  showGuide(localStorage.getItem("guide") !== "closed");
}

const step = ({ text, href: target }) => el("li", {}, target ? el("a", { href: target }, text) : el("span", {}, text));

function showGuide(open) {
  byId("guide").hidden = !open;
  byId("help").setAttribute("aria-expanded", String(open));
  localStorage.setItem("guide", open ? "open" : "closed");
}

// -- what people do with it

byId("help").addEventListener("click", () => showGuide(byId("guide").hidden));
byId("start").addEventListener("click", () => go(href({ flow: "" })));
byId("bad-days").addEventListener("click", () => badDays.open(screen));
byId("zone").addEventListener("change", (event) => act("somebody", { person: screen.me, whom: screen.me, zone: event.target.value }));
byId("workspaces").addEventListener("change", (event) => {
  const first = screen.workspaces.find((each) => each.id === event.target.value)?.first;
  go(href({ as: first, open: "dm", at: null, thread: null, mail: null, flow: null }));
});
byId("menu").addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  byId("menu").setAttribute("aria-expanded", String(open));
});
document.addEventListener("click", (event) => {
  // A menu closes when one presses anywhere else.
  for (const menu of document.querySelectorAll("details.menu[open], details.overflow[open]")) if (!menu.contains(event.target)) menu.removeAttribute("open");
  const link = event.target.closest?.('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  if (byId("guide").contains(link) && matchMedia("(max-width: 760px)").matches) showGuide(false);
  go(link.getAttribute("href"));
});
document.addEventListener("visibilitychange", () => render());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open], details.overflow[open]");
  if (menu) {
    menu.removeAttribute("open");
    menu.querySelector("summary").focus();
  } else if (document.body.classList.contains("menu-open")) byId("menu").click();
});
window.addEventListener("popstate", arrive);

guide = await ask("/_sandbox/guide");
drawGuide();
arrive();
