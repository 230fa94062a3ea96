// An alert from Node (18 and later): node send.mjs. 503 and a broken connection may be tried again: the id
// makes that safe.
import { randomUUID } from "node:crypto";

export async function sendAlert(alert, url = process.env.MTB_URL, token = process.env.MTB_TOKEN) {
	const body = JSON.stringify({ id: randomUUID(), ...alert });
	for (let wait = 1; ; wait = Math.min(2 * wait, 60)) {
		const answer = await fetch(new URL("alerts", url), {
			method: "POST",
			headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
			body,
		}).catch(() => ({ status: 503 }));
		if (answer.status !== 503) {
			if (answer.status !== 200)
				throw new Error(`${answer.status}: ${await answer.text()}`);
			return answer.json();
		}
		await new Promise((done) => setTimeout(done, 1000 * wait));
	}
}

console.log(await sendAlert({ app: "shop", title: "checkout fails", severity: "critical" }));
