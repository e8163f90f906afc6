// The demo page's own script: it does what a careless gadget would do, and
// shows how that ends.
"use strict";

const thirdParty = document.body.dataset.thirdParty;
const tool = document.body.dataset.tool;
// The third party counts by this name what one page view made it serve.
const view = crypto.getRandomValues(new Uint32Array(4)).join("-");

// What the browser says it stopped: requested address -> directive.
const stopped = new Map();
document.addEventListener("securitypolicyviolation", (event) => {
  if (event.disposition === "enforce") stopped.set(event.blockedURI, event.effectiveDirective);
});

// The browser may give a violation's address in full or as an origin alone.
const stoppedBy = (url) => stopped.get(url) ?? stopped.get(new URL(url, location).origin);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// row adds a line to a list of results, and returns a function that tells its outcome.
function row(list, title, detail) {
  const outcome = element("span", { className: "outcome", textContent: "trying…" });
  const text = element("span", {}, title, element("br"), element("span", { className: "detail", textContent: detail }));
  const line = element("li", {}, text, outcome);
  document.getElementById(list).append(line);
  return (good, words, extra) => {
    line.className = good ? "good" : "bad";
    outcome.textContent = words;
    if (extra) outcome.prepend(extra);
  };
}

// load puts an element in the page and tells whether what it names was loaded.
function load(name, src) {
  return new Promise((resolve) => {
    const made = element(name, { alt: "" });
    made.onload = () => resolve({ loaded: true, made });
    made.onerror = () => resolve({ loaded: false, made });
    made.src = src;
    if (name === "script") document.head.append(made);
  });
}

// attempt tries what the policy should stop.
async function attempt(title, url, loading) {
  const tell = row("attempts", title, url.split("?")[0]);
  const loaded = await loading(url);
  if (loaded) return tell(false, "loaded: no policy stopped it");
  await pause(100); // the report of a violation may come after the error
  const directive = stoppedBy(url);
  if (directive) tell(true, `blocked by the policy (${directive})`);
  else tell(false, "failed, but not by the policy");
}

async function tryThirdParty() {
  await Promise.all([
    attempt("A picture from the other site", `${thirdParty}/picture.png?view=${view}`, async (url) => (await load("img", url)).loaded),
    attempt("A script from the other site", `${thirdParty}/tracker.js?view=${view}`, async (url) => (await load("script", url)).loaded),
    attempt("Data from the other site", `${thirdParty}/request?view=${view}`, (url) => fetch(url).then((answer) => answer.ok, () => false)),
  ]);

  const proxiedPicture = row("attempts", "The same picture through the edge’s proxy", `${tool}/picture.png`);
  const picture = await load("img", `${tool}/picture.png`);
  if (picture.loaded) proxiedPicture(true, "shown, fetched by the edge", picture.made);
  else proxiedPicture(false, "not loaded: is there an edge?");

  const proxiedScript = row("attempts", "The same script through the edge’s proxy", `${tool}/tracker.js`);
  const script = await load("script", `${tool}/tracker.js`);
  if (document.documentElement.dataset.tracked === script.made.src) proxiedScript(false, "a third-party script ran");
  else if (script.loaded) proxiedScript(false, "loaded, but did not run");
  else if (!picture.loaded) proxiedScript(false, "not loaded: is there an edge?");
  else proxiedScript(true, "refused: a tool’s answers never run");

  const counted = document.getElementById("counted");
  try {
    const answer = await fetch(`${tool}/count?view=${view}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const count = await answer.json();
    counted.textContent = `The other site’s own count for your browser and this visit: ${count.image} pictures, ${count.script} scripts, ${count.data} pieces of data.`;
  } catch {
    counted.textContent = "The other site’s own count could not be asked for: there is no edge to ask through.";
  }
}

// ask fetches JSON that a server made of our request.
async function ask(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.json();
}

const valuesOf = (seen) => new Map(seen.headers.map((header) => [header.name, header.value]));

// What the edge adds, and so no tool would get from a browser.
const byEdge = /^(client-|x-forwarded-|forwarded$|via$|host$|cookie$|origin$|referer$)/i;

async function askTool() {
  const status = document.getElementById("tool-status");
  let wiki, answer;
  try {
    status.textContent = "asking…";
    [wiki, answer] = await Promise.all([ask("/request"), ask(`${tool}/request`)]);
  } catch (error) {
    status.textContent = `The tool did not answer through the edge (${error.message}).`;
    return;
  }
  const direct = new Map([...valuesOf(wiki)].filter(([name]) => !byEdge.test(name)));
  direct.set("Origin", location.origin).set("Referer", `${location.origin}/`).set("Sec-Fetch-Site", "cross-site");
  const proxied = valuesOf(answer);
  proxied.delete("Host");

  const body = document.querySelector("#tool-table tbody");
  const cell = (label, value, good) => {
    const made = element("td", { className: good ? "good" : "bad" }, value === undefined ? "nothing" : element("code", { textContent: value }));
    made.dataset.label = label;
    return made;
  };
  const line = (name, before, after, good) => body.append(element("tr", {},
    element("th", { scope: "row", textContent: name }), cell("directly", before, before === undefined), cell("through the edge", after, good)));

  line("Address", "your real address", `${answer.address} (the edge’s)`, true);
  line("Cookies", "those it has set itself", proxied.get("Cookie"), !proxied.has("Cookie"));
  proxied.delete("Cookie");
  for (const name of [...new Set([...direct.keys(), ...proxied.keys()])].sort()) {
    // The proxy's few headers are its own, the same for every reader.
    line(name, direct.get(name), proxied.get(name), !direct.has(name) || direct.get(name) !== proxied.get(name));
  }
  status.textContent = "";
  document.getElementById("tool-table").hidden = false;
  document.getElementById("tool-note").hidden = false;
}

async function tryLies() {
  const lies = {
    "X-Forwarded-For": "203.0.113.7", "X-Real-Ip": "203.0.113.7", "Forwarded": "for=203.0.113.7",
    "True-Client-Ip": "203.0.113.7", "Client-Mask": "2001:2f:bad:bad:bad:bad:bad:bad",
  };
  const tells = Object.entries(lies).map(([name, value]) => [name, value, row("forged", name, value)]);
  try {
    const arrived = valuesOf(await ask("/request", { headers: lies }));
    for (const [name, value, tell] of tells) {
      if (!arrived.has(name)) tell(true, "never arrived");
      else if (!arrived.get(name).includes(value)) tell(true, "replaced with the edge’s own");
      else tell(false, "arrived as it was sent");
    }
  } catch (error) {
    for (const [, , tell] of tells) tell(false, `no answer (${error.message})`);
  }
}

Promise.all([tryThirdParty(), askTool(), tryLies()]).then(() => { document.documentElement.dataset.tried = "all"; });
