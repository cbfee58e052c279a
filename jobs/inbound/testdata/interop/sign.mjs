// Requests as vendors' own libraries sign them, one JSON object a line. Slack's library signs nothing, but verifies: what
// is signed here as its documentation says must satisfy it.
import { createHmac } from "node:crypto";
import { sign } from "@octokit/webhooks-methods";
import { Webhooks } from "@octokit/webhooks";
import bolt from "@slack/bolt";
import * as jose from "jose";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

const now = Math.floor(Date.now() / 1000);
const body = '{"id":"evt_1","event_id":"Ev1","type":"order.paid","name":"Zoë \\u20ac","nested":{"n":12345678901234567890}}';
const emit = (o) => console.log(JSON.stringify({ at: now, body, ...o }));

const github = "it's a secret to everybody, é";
const hub = await new Webhooks({ secret: github }).sign(body);
if (hub !== (await sign(github, body))) throw new Error("octokit disagrees with itself");
emit({ preset: "github", secret: github, headers: { "X-Hub-Signature-256": hub, "X-GitHub-Delivery": "72d3162e" }, id: "72d3162e" });
emit({ preset: "meta", secret: github, headers: { "X-Hub-Signature-256": hub }, id: "" });

const stripe = "whsec_test_51b1c2";
const header = new Stripe("sk_test_x").webhooks.generateTestHeaderString({ payload: body, secret: stripe, timestamp: now });
emit({ preset: "stripe", secret: stripe, headers: { "Stripe-Signature": header }, id: "evt_1", timed: true });
const rolled = new Stripe("sk_test_x").webhooks.generateTestHeaderString({ payload: body, secret: "whsec_older", timestamp: now });
emit({ preset: "stripe", secret: stripe, headers: { "Stripe-Signature": rolled + ",v0=00," + header.split(",")[1] }, id: "evt_1", timed: true });

const slack = "8f742231b10e8888abcd99yyyzzz85a5";
const v0 = "v0=" + createHmac("sha256", slack).update(`v0:${now}:${body}`).digest("hex");
const slackHeaders = { "X-Slack-Signature": v0, "X-Slack-Request-Timestamp": String(now) };
bolt.verifySlackRequest({ signingSecret: slack, body, headers: { "x-slack-signature": v0, "x-slack-request-timestamp": now } });
emit({ preset: "slack", secret: slack, headers: slackHeaders, id: "Ev1", timed: true });

const standard = "whsec_" + Buffer.from("standard-webhooks-secret").toString("base64");
const wh = new Webhook(standard);
emit({ preset: "standard_webhooks", secret: standard, id: "msg_1", timed: true,
  headers: { "webhook-id": "msg_1", "webhook-timestamp": String(now), "webhook-signature": "v2,x v1,AAAA " + wh.sign("msg_1", new Date(now * 1000), body) } });
emit({ preset: "standard_webhooks", secret: standard, id: "msg_2", timed: true,
  headers: { "svix-id": "msg_2", "svix-timestamp": String(now), "svix-signature": wh.sign("msg_2", new Date(now * 1000), body) } });

emit({ preset: "shopify", secret: "hush", id: "b54557e4", headers: { "X-Shopify-Hmac-Sha256": createHmac("sha256", "hush").update(body).digest("base64"), "X-Shopify-Webhook-Id": "b54557e4" } });

const token = (alg, key) => new jose.SignJWT({}).setProtectedHeader({ alg }).setIssuer("carrier").setAudience("waybill").setJti("jti-1").setIssuedAt(now).setExpirationTime(now + 300).sign(key);
const shared = "a shared secret of at least thirty-two bytes";
emit({ preset: "jwt", algorithm: "HS256", secret: shared, id: "jti-1", headers: { Authorization: "Bearer " + (await token("HS256", new TextEncoder().encode(shared))) }, timed: true, unsigned: true });
for (const alg of ["RS256", "ES256", "EdDSA"]) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  emit({ preset: "jwt", algorithm: alg, public_key: await jose.exportSPKI(publicKey), id: "jti-1", headers: { Authorization: "Bearer " + (await token(alg, privateKey)) }, timed: true, unsigned: true });
}
for (const [algorithm, encoding] of [["sha1", "hex"], ["sha256", "base64"], ["sha384", "base64url"], ["sha512", "hex"]]) {
  emit({ preset: "hmac", algorithm, encoding, secret: "generic", prefix: "v1=", header: "X-Sig", id: "",
    headers: { "X-Sig": "v1=" + createHmac(algorithm, "generic").update(body).digest(encoding) } });
}
const stamp = new Date(now * 1000).toISOString();
emit({ preset: "hmac", algorithm: "sha256", encoding: "hex", secret: "generic", header: "X-Sig", timestamp_header: "X-Time", signed: "{timestamp}.{body}", id: "", timed: true,
  headers: { "X-Sig": createHmac("sha256", "generic").update(stamp + "." + body).digest("hex"), "X-Time": stamp } });
