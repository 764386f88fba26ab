// Slack's texts as nodes: mrkdwn, plain text, rich text, dates. What a text says is only ever set as text.
import { el } from "./dom.js";

const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", no_entry: "⛔", no_entry_sign: "🚫", warning: "⚠️",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", alarm_clock: "⏰", bell: "🔔", tada: "🎉", rocket: "🚀", eyes: "👀",
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", wave: "👋", memo: "📝", calendar: "📆", date: "📅",
  email: "✉️", envelope: "✉️", lock: "🔒", link: "🔗", bulb: "💡", fire: "🔥", sparkles: "✨", palm_tree: "🌴",
  double_vertical_bar: "⏸️", arrow_forward: "▶️", large_green_circle: "🟢", red_circle: "🔴", white_circle: "⚪",
  information_source: "ℹ️", question: "❓", heavy_minus_sign: "➖", raised_hand: "✋", ballot_box_with_check: "☑️",
  gear: "⚙️", mag: "🔍", fast_forward: "⏩", arrow_down: "⬇️", wastebasket: "🗑️", arrows_counterclockwise: "🔄",
  incoming_envelope: "📨", large_red_square: "🟥", large_yellow_square: "🟨", large_green_square: "🟩", arrow_up: "⬆️",
  speech_balloon: "💬", rotating_light: "🚨", zzz: "💤", handshake: "🤝",
  electric_plug: "🔌", arrow_right: "➡️", checkered_flag: "🏁", leftwards_arrow_with_hook: "↩️",
};
const TOKEN = /<([^<>\n]+)>/;
const BARE = /\bhttps?:\/\/[^\s<>]*[^\s<>.,;:!?)\]'"]/;
const STYLES = [["*", "strong"], ["_", "em"], ["~", "s"]].map(([mark, tag]) => ({
  tag,
  span: new RegExp(`(?<![\\p{L}\\p{N}${mark}])[${mark}](?=[^\\s${mark}])[^${mark}\\n]*?[^\\s${mark}][${mark}](?![\\p{L}\\p{N}])`, "u"),
}));

const unescape = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const withEmoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole);

/** A text object of Block Kit. `names` knows who is who: {users, channels, groups, go(url)}. */
export function textNodes(text, names) {
  if (!text) return [];
  if (text.type !== "mrkdwn") return [withEmoji(text.text)];
  // Told to take it verbatim, Slack makes no links of bare addresses.
  return mrkdwn(text.text, text.verbatim ? { ...names, verbatim: true } : names);
}

/** Slack's markup: lines, quotes, lists, code, and what is inside of them. */
export function mrkdwn(text, names) {
  return text.split(/```\n?([\s\S]*?)\n?```\n?/).flatMap((part, index) =>
    index % 2 ? [el("pre", {}, unescape(part).replace(/<([^<>|\n]+)(?:\|[^<>\n]*)?>/g, "$1"))] : lines(part, names),
  );
}

function lines(text, names) {
  if (!text) return [];
  const nodes = [];
  let quote = null;
  let broken = true; // whether a new line has begun already
  for (const line of text.split("\n")) {
    const quoted = /^(?:&gt;|>) ?(.*)$/.exec(line);
    const item = /^(\s*)([•◦▪-]|\d+\.)\s+(.*)$/.exec(line);
    if (quoted) {
      if (quote) quote.append(el("br"));
      else nodes.push((quote = el("blockquote")));
      quote.append(...inline(quoted[1], names));
      broken = true;
      continue;
    }
    quote = null;
    if (item) {
      nodes.push(el("div", { class: "item" }, el("span", {}, item[2]), el("span", {}, inline(item[3], names))));
      broken = true;
      continue;
    }
    if (!broken) nodes.push(el("br"));
    nodes.push(...inline(line, names));
    broken = false;
  }
  return nodes;
}

/** Code first, because nothing in it means anything; then tokens, then styles. */
function inline(text, names) {
  const code = /`([^`\n]+)`/.exec(text);
  if (code) return around(text, code, el("code", {}, tokenText(code[1])), names);
  const style = styled(text);
  if (style) {
    const inner = el(style.tag, {}, inline(style.inside, names));
    return [...inline(style.before, names), inner, ...inline(style.after, names)];
  }
  const token = TOKEN.exec(text);
  if (token) return around(text, token, shown(token[1], names), names);
  const bare = names.verbatim ? null : BARE.exec(text);
  if (bare) return around(text, bare, anchor(unescape(bare[0]), unescape(bare[0]), names), names);
  return text ? [withEmoji(unescape(text))] : [];
}

function around(text, match, node, names) {
  const after = text.slice(match.index + match[0].length);
  return [...inline(text.slice(0, match.index), names), node, ...inline(after, names)];
}

const tokenText = (text) => unescape(text.replace(/<([^<>|\n]+)(?:\|([^<>\n]*))?>/g, (_, target, label) => label ?? target));

/** The first span in *bold*, _italic_ or ~strike~ whose marks stand at the edges of words and outside of tokens. */
function styled(text) {
  const hidden = text.replace(/<[^<>\n]+>|https?:\/\/[^\s<>]+/g, (token) => "\u0000".repeat(token.length));
  let first = null;
  for (const { tag, span } of STYLES) {
    const match = span.exec(hidden);
    if (match && (!first || match.index < first.at)) first = { at: match.index, length: match[0].length, tag };
  }
  if (!first) return null;
  return {
    tag: first.tag,
    before: text.slice(0, first.at),
    inside: text.slice(first.at + 1, first.at + first.length - 1),
    after: text.slice(first.at + first.length),
  };
}

/** What stands between < and >: a mention, a date, or a link. */
function shown(token, names) {
  const bar = token.indexOf("|");
  const target = bar < 0 ? token : token.slice(0, bar);
  const label = bar < 0 ? null : unescape(token.slice(bar + 1));
  if (target.startsWith("@")) return mention(`@${names.users[target.slice(1)]?.real_name ?? label ?? target.slice(1)}`);
  if (target.startsWith("#")) return mention(`#${names.channels[target.slice(1)] ?? label ?? target.slice(1)}`);
  if (target.startsWith("!subteam^")) return mention(`@${names.groups[target.slice(9)] ?? label?.replace(/^@/, "") ?? "group"}`);
  if (target.startsWith("!date^")) {
    const [, seconds, format, link] = target.split("^");
    return moment(Number(seconds), unescape(format), label, link && unescape(link), names);
  }
  if (target.startsWith("!")) return mention(`@${target.slice(1).split("^")[0]}`);
  return anchor(unescape(target), label ? withEmoji(label) : unescape(target).replace(/^mailto:/, ""), names);
}

const mention = (text) => el("span", { class: "mention" }, text);

/** A link that opens beside the page; links to messages of this sandbox stay in it. */
export function anchor(url, text, names) {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return document.createTextNode(text);
  const link = el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text);
  if (url.startsWith(`${location.origin}/archives/`)) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      names.go(url);
    });
  }
  return link;
}

/** A moment in the reader's own time zone, by Slack's format of date tokens. */
export function moment(seconds, format, fallback, link, names) {
  const date = new Date(seconds * 1000);
  if (!Number.isFinite(seconds) || Number.isNaN(date.getTime())) return document.createTextNode(fallback ?? "");
  const text = format.replace(/\{(\w+)\}/g, (whole, name) => DATES[name]?.(date) ?? whole);
  const node = el("time", { datetime: date.toISOString(), title: fallback ?? date.toISOString() }, text);
  if (!link) return node;
  const wrapped = anchor(link, "", names);
  wrapped.replaceChildren?.(node);
  return wrapped instanceof Element ? wrapped : node;
}

let reader; // the reader's time zone; the browser's own where it is not set

/** The time zone that moments are shown in. */
export const zone = () => reader;

/** From now on the reader is in this time zone; one that the browser does not know leaves it at its own. */
export function readIn(name) {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    reader = name;
  } catch {
    reader = undefined;
  }
}

const formatted = (locale, options) => (date) => new Intl.DateTimeFormat(locale, { timeZone: reader, ...options }).format(date);
const by = (options) => formatted("en-US", options);

/** Year, month, day, hour, minute and second of a moment, as the reader's clock has them. */
export function partsOf(date) {
  const all = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" };
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: reader, ...all }).formatToParts(date);
  return Object.fromEntries(parts.filter((part) => part.type in all).map((part) => [part.type, Number(part.value)]));
}

const ordinal = (day) => `${day}${{ 1: "st", 2: "nd", 3: "rd" }[day % 10 === day % 100 || day > 20 ? day % 10 : 0] ?? "th"}`;
const long = (date) => `${by({ month: "long" })(date)} ${ordinal(partsOf(date).day)}, ${partsOf(date).year}`;
const short = by({ month: "short", day: "numeric", year: "numeric" });
const weekday = (date) => `${by({ weekday: "long" })(date)}, ${long(date)}`;

function pretty(format) {
  return (date) => {
    const number = ({ year, month, day }) => Math.round(Date.UTC(year, month - 1, day) / 86400000);
    return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[number(partsOf(date)) - number(partsOf(new Date()))] ?? format(date);
  };
}

/** "5 minutes ago", "in 2 days". */
function ago(date) {
  const seconds = (date.getTime() - Date.now()) / 1000;
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? units[3];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

export const clock = (date) => formatted(navigator.language, { hour: "numeric", minute: "2-digit" })(date);

/** Day, time and time zone, for whoever wants to know exactly. */
export const exactly = (date) => formatted(navigator.language, { dateStyle: "full", timeStyle: "long" })(date);

const DATES = {
  date_num: (date) => [partsOf(date).year, partsOf(date).month, partsOf(date).day].map((part) => String(part).padStart(2, "0")).join("-"),
  date: long,
  date_pretty: pretty(long),
  date_short: short,
  date_short_pretty: pretty(short),
  date_long: weekday,
  date_long_pretty: pretty(weekday),
  time: clock,
  time_secs: (date) => formatted(navigator.language, { timeStyle: "medium" })(date),
  ago,
};

/** "today", or the day as people write it. */
export const day = pretty(by({ weekday: "long", month: "long", day: "numeric" }));

/** The elements of a rich_text block. */
export function richText(elements, names) {
  return elements.map((part) => {
    switch (part.type) {
      case "rich_text_list": {
        const tag = part.style === "ordered" ? "ol" : "ul";
        return el(tag, { class: `indent-${part.indent ?? 0}` }, part.elements.map((each) => el("li", {}, richRuns(each, names))));
      }
      case "rich_text_quote": return el("blockquote", {}, richRuns(part, names));
      case "rich_text_preformatted": return el("pre", {}, richRuns(part, names));
      default: return el("p", { class: "rich" }, richRuns(part, names));
    }
  });
}

function richRuns(part, names) {
  return part.elements.map((run) => {
    let node = richRun(run, names);
    for (const [style, tag] of [["code", "code"], ["strike", "s"], ["italic", "em"], ["bold", "strong"], ["underline", "u"]]) {
      if (run.style?.[style]) node = el(tag, {}, node);
    }
    return node;
  });
}

function richRun(run, names) {
  switch (run.type) {
    case "link": return anchor(run.url, run.text ?? run.url, names);
    case "user": return mention(`@${names.users[run.user_id]?.real_name ?? run.user_id}`);
    case "usergroup": return mention(`@${names.groups[run.usergroup_id] ?? run.usergroup_id}`);
    case "channel": return mention(`#${names.channels[run.channel_id] ?? run.channel_id}`);
    case "broadcast": return mention(`@${run.range}`);
    case "date": return moment(run.timestamp, run.format, run.fallback, run.url, names);
    case "emoji": return EMOJI[run.name] ?? `:${run.name}:`;
    default: return run.text ?? run.value ?? "";
  }
}
