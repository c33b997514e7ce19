// SPDX-License-Identifier: MIT
// Three subscribers of one system prompt, asking at the same time with fetch: client.mjs BASE_URL.
const [base] = process.argv.slice(2);
const system = [
	"You are a careful reviewer of code.",
	...Array.from({ length: 80 }, (_, n) => `${n + 1}. Name the line, the defect, and an input that shows it.`),
].join("\n");

async function* events(response) {
	const decoder = new TextDecoder();
	let rest = "";
	for await (const bytes of response.body) {
		const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
		rest = lines.pop();
		for (const line of lines)
			if (line.startsWith("data: "))
				yield JSON.parse(line.slice(6));
	}
}

async function ask(question) {
	const response = await fetch(`${base}/v1/messages`, {
		method: "POST",
		headers: {
			"content-type": "application/json",
			"anthropic-version": "2023-06-01",
			"x-api-key": "sk-ant-example",
		},
		body: JSON.stringify({
			model: "claude-sonnet-4-5",
			max_tokens: 256,
			stream: true,
			system,
			messages: [{ role: "user", content: question }],
		}),
	});
	if (!response.ok)
		throw new Error(`status ${response.status}: ${await response.text()}`);
	let text = "";
	for await (const event of events(response)) {
		if (event.type === "content_block_delta")
			text += event.delta.text ?? "";
		else if (event.type === "error")
			throw new Error(event.error.message);
	}
	console.log(`node: ${question} -> ${text.length} characters`);
}

await ask("Warm up, please.");
await Promise.all(["Review parser.c.", "Review ring.c.", "Review main.c."].map(ask));
