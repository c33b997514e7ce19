// SPDX-License-Identifier: MIT
// Node: client.mjs URL fetch|http; ten requests at once and three behind each other, one chunked; prints the statuses.
import http from "node:http";

const [base, kind] = process.argv.slice(2);
const url = base + "/v1/messages";
const headers = {
	"content-type": "application/json",
	"anthropic-version": "2023-06-01",
	"x-api-key": "sk-ant-canary-0123456789",
};

function body(number, text = "All work and no play. ".repeat(20)) {
	return JSON.stringify({
		model: "claude-sonnet-4-5",
		max_tokens: 16,
		messages: [{ role: "user", content: `Request number ${number} — ünïcode. ${text}` }],
		stream: number % 2 === 0,
	});
}

const clients = {
	async fetch(data) {
		const response = await fetch(url, { method: "POST", headers, body: data });
		await response.text();
		return response.status;
	},
	http(data) {
		return new Promise((resolve, reject) => {
			const request = http.request(url, { method: "POST", headers, agent }, (response) => {
				response.resume();
				response.on("end", () => resolve(response.statusCode));
			});
			request.on("error", reject);
			// Without a content-length and in two writes: chunked.
			request.write(data.slice(0, 100));
			setTimeout(() => request.end(data.slice(100)), 5);
		});
	},
};

const agent = new http.Agent({ keepAlive: true });
const send = clients[kind];
const results = await Promise.all([...Array(10).keys()].map((n) => send(body(n))));
for (let n = 10; n < 13; n++)
	results.push(await send(body(n, "x".repeat(n * 20000))));
agent.destroy();
console.log(results.join(" "));
