// The page's line to the sandbox.
import { toast } from "./dom.js";

const BASE = "/_sandbox/api/";

/** Do something as a person. Gives {errors} for what must be filled in differently; anything else that is wrong is said. */
export async function act(name, body) {
  try {
    const response = await fetch(BASE + name, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = await read(response);
    if (answer.error) toast(sentence(answer.error), { trouble: true });
    return answer;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    toast("The sandbox does not answer. Is it still running?", { trouble: true });
    return { error: "no answer" };
  }
}

async function read(response) {
  if (response.headers.get("Content-Type")?.startsWith("application/json")) return response.json();
  return { error: `the sandbox answered ${response.status}` };
}

export async function ask(path) {
  return (await fetch(path)).json();
}

/** Follow a person's screen; returns what stops it. */
export function follow(person, { screen, connected, unknown }) {
  const source = new EventSource(`${BASE}events?person=${encodeURIComponent(person)}`);
  source.addEventListener("screen", (event) => screen(JSON.parse(event.data)));
  source.addEventListener("open", () => connected(true));
  source.addEventListener("error", () => {
    connected(false);
    if (source.readyState === EventSource.CLOSED && person) unknown(); // refused, not interrupted: nobody of that name
  });
  return () => source.close();
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");
