/* SPDX-License-Identifier: MIT */
#include "trace/secrets.h"

#include "trace/base64.h"

#include <string.h>
#include <strings.h>

enum alphabet {
	ALNUM,
	UPPER, /* capitals and digits */
	URL64, /* base64url: letters, digits, - and _ */
	TOKEN, /* what credentials of a header consist of (RFC 9110, token68), and '.' */
};

enum needs {
	NEEDS_NOTHING = 0,
	NEEDS_BOUNDARY = 1, /* the prefix is short: no letter may stand before it */
	NEEDS_DIGIT = 2,    /* prose has words that begin so */
	NEEDS_NO_WORD = 4,  /* prose may follow: something besides letters must be in it */
	NEEDS_DOTS = 8,     /* two of them */
	NEEDS_COLON = 16,   /* base64 of a text with a colon */
	ANY_CASE = 32,      /* the prefix in capitals, too */
};

/* The shapes that providers give their keys, as their documentation and scanners of repositories tell them. */
static const struct rule {
	const char *name;
	const char *prefix;
	unsigned least, most; /* characters behind the prefix; most 0: any number */
	enum alphabet alphabet;
	unsigned needs;
} rules[] = {
	{"Anthropic key", "sk-ant-", 16, 0, URL64, NEEDS_NOTHING},
	{"OpenRouter key", "sk-or-v1-", 32, 0, URL64, NEEDS_NOTHING},
	{"OpenAI key", "sk-proj-", 20, 0, URL64, NEEDS_NOTHING},
	{"OpenAI key", "sk-svcacct-", 20, 0, URL64, NEEDS_NOTHING},
	{"OpenAI key", "sk-admin-", 20, 0, URL64, NEEDS_NOTHING},
	{"key of OpenAI's shape", "sk-", 12, 0, URL64, NEEDS_BOUNDARY | NEEDS_DIGIT},
	{"Google API key", "AIza", 35, 35, URL64, NEEDS_BOUNDARY},
	{"Google OAuth token", "ya29.", 20, 0, URL64, NEEDS_BOUNDARY},
	{"Google OAuth secret", "GOCSPX-", 20, 0, URL64, NEEDS_BOUNDARY},
	{"AWS access key id", "AKIA", 16, 16, UPPER, NEEDS_BOUNDARY},
	{"AWS access key id", "ASIA", 16, 16, UPPER, NEEDS_BOUNDARY},
	{"Azure storage key", "AccountKey=", 40, 0, TOKEN, NEEDS_NOTHING},
	{"GitHub token", "ghp_", 30, 0, ALNUM, NEEDS_BOUNDARY},
	{"GitHub token", "gho_", 30, 0, ALNUM, NEEDS_BOUNDARY},
	{"GitHub token", "ghu_", 30, 0, ALNUM, NEEDS_BOUNDARY},
	{"GitHub token", "ghs_", 30, 0, ALNUM, NEEDS_BOUNDARY},
	{"GitHub token", "ghr_", 30, 0, ALNUM, NEEDS_BOUNDARY},
	{"GitHub token", "github_pat_", 22, 0, URL64, NEEDS_NOTHING},
	{"GitLab token", "glpat-", 20, 0, URL64, NEEDS_BOUNDARY},
	{"Hugging Face token", "hf_", 30, 0, ALNUM, NEEDS_BOUNDARY},
	{"Hugging Face token", "api_org_", 30, 0, ALNUM, NEEDS_BOUNDARY},
	{"Groq key", "gsk_", 32, 0, ALNUM, NEEDS_BOUNDARY},
	{"xAI key", "xai-", 32, 0, ALNUM, NEEDS_BOUNDARY},
	{"Perplexity key", "pplx-", 32, 0, ALNUM, NEEDS_BOUNDARY},
	{"NVIDIA key", "nvapi-", 32, 0, URL64, NEEDS_BOUNDARY},
	{"Replicate token", "r8_", 32, 0, ALNUM, NEEDS_BOUNDARY},
	{"Fireworks key", "fw_", 20, 0, ALNUM, NEEDS_BOUNDARY | NEEDS_DIGIT},
	{"Cerebras key", "csk-", 32, 0, ALNUM, NEEDS_BOUNDARY},
	{"Together key", "tgp_v1_", 32, 0, URL64, NEEDS_BOUNDARY},
	{"Databricks token", "dapi", 32, 32, ALNUM, NEEDS_BOUNDARY | NEEDS_DIGIT},
	{"Slack token", "xoxb-", 12, 0, URL64, NEEDS_BOUNDARY},
	{"Slack token", "xoxp-", 12, 0, URL64, NEEDS_BOUNDARY},
	{"Slack token", "xoxa-", 12, 0, URL64, NEEDS_BOUNDARY},
	{"Slack token", "xapp-", 12, 0, URL64, NEEDS_BOUNDARY},
	{"Stripe key", "sk_live_", 16, 0, ALNUM, NEEDS_BOUNDARY},
	{"Stripe key", "rk_live_", 16, 0, ALNUM, NEEDS_BOUNDARY},
	{"npm token", "npm_", 36, 0, ALNUM, NEEDS_BOUNDARY},
	{"PyPI token", "pypi-AgE", 40, 0, URL64, NEEDS_BOUNDARY},
	{"Docker token", "dckr_pat_", 20, 0, URL64, NEEDS_BOUNDARY},
	{"DigitalOcean token", "dop_v1_", 32, 0, ALNUM, NEEDS_BOUNDARY},
	{"Vault token", "hvs.", 20, 0, URL64, NEEDS_BOUNDARY},
	{"SendGrid key", "SG.", 40, 0, TOKEN, NEEDS_BOUNDARY | NEEDS_DIGIT},
	{"JSON Web Token", "eyJ", 24, 0, TOKEN, NEEDS_BOUNDARY | NEEDS_DOTS},
	{"bearer credentials", "Bearer ", 12, 0, TOKEN, NEEDS_BOUNDARY | NEEDS_NO_WORD | ANY_CASE},
	{"basic credentials", "Basic ", 8, 0, TOKEN, NEEDS_BOUNDARY | NEEDS_COLON | ANY_CASE},
};

#define RULES (sizeof(rules) / sizeof(*rules))

/* How names of values that should not be told end, without - and _ and in small letters. */
static const char *const names[] = {
	"apikey",       "apitoken",      "apisecret",    "accesstoken", "refreshtoken",    "authtoken",
	"sessiontoken", "bearertoken",   "clientsecret", "secretkey",   "secretaccesskey", "privatekey",
	"signingkey",   "signingsecret", "password",     "passwd",      "passphrase",      "authorization",
};

#define NAME_MAX_CHARS 64
#define VALUE_LEAST 8
#define VALUE_LEAST_UNQUOTED 12
#define VALUE_MOST 4096

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool in_alphabet(char c, enum alphabet a)
{
	switch (a) {
	case ALNUM:
		return letter(c) || digit(c);
	case UPPER:
		return (c >= 'A' && c <= 'Z') || digit(c);
	case URL64:
		return letter(c) || digit(c) || c == '-' || c == '_';
	default:
		return letter(c) || digit(c) || (c != '\0' && strchr("-._~+/=", c));
	}
}

static bool hex(char c)
{
	return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* No word goes on at the place: what stands before is no letter or digit, but for those of an escape in JSON (\n). */
static bool boundary(struct str t, size_t at)
{
	if (at == 0)
		return true;
	char c = t.p[at - 1];
	if (!letter(c) && !digit(c) && c != '_' && c != '-')
		return true;
	if (at >= 2 && t.p[at - 2] == '\\' && strchr("nrtbf", c))
		return true;
	if (at < 6 || t.p[at - 6] != '\\' || t.p[at - 5] != 'u')
		return false;
	for (size_t i = at - 4; i < at; i++)
		if (!hex(t.p[i]))
			return false;
	return true;
}

static bool basic_credentials(struct str base64)
{
	struct buf decoded;
	buf_init(&decoded, 1024);
	bool found = base64_decode(base64, &decoded) == 0 && decoded.n > 2 && memchr(decoded.p, ':', decoded.n);
	for (size_t i = 0; found && i < decoded.n; i++)
		found = decoded.p[i] >= 0x20 && decoded.p[i] < 0x7f;
	buf_release(&decoded);
	return found;
}

static bool needs_met(const struct rule *r, struct str body)
{
	size_t digits = 0, letters = 0, dots = 0;
	for (size_t i = 0; i < body.n; i++) {
		digits += digit(body.p[i]);
		letters += letter(body.p[i]);
		dots += body.p[i] == '.';
	}
	if ((r->needs & NEEDS_DIGIT && digits == 0) || (r->needs & NEEDS_NO_WORD && letters == body.n) ||
	    (r->needs & NEEDS_DOTS && dots < 2))
		return false;
	return !(r->needs & NEEDS_COLON) || basic_credentials(body);
}

static bool rule_matches(const struct rule *r, struct str t, size_t at, struct secret *out)
{
	size_t prefix = strlen(r->prefix), end = at + prefix, most = r->most ? r->most : VALUE_MOST;
	if (t.n - at < prefix + r->least)
		return false;
	if (r->needs & ANY_CASE ? strncasecmp(t.p + at, r->prefix, prefix) != 0
				: memcmp(t.p + at, r->prefix, prefix) != 0)
		return false;
	while (end < t.n && end - at - prefix < most && in_alphabet(t.p[end], r->alphabet))
		end++;
	/* A sentence ends behind it, not within. */
	while (r->alphabet == TOKEN && end > at + prefix && t.p[end - 1] == '.')
		end--;
	struct str body = {t.p + at + prefix, end - at - prefix};
	if (body.n < r->least || (r->most && end < t.n && in_alphabet(t.p[end], r->alphabet)) ||
	    (r->needs & NEEDS_BOUNDARY && !boundary(t, at)) || !needs_met(r, body))
		return false;
	*out = (struct secret){.rule = r->name, .at = at, .n = end - at, .shown = prefix};
	return true;
}

/* Does a rule's prefix begin with these two bytes? Most places in a text are done with by this one look. */
static bool begins_a_rule(char first, char second)
{
	static bool pairs[256][256];
	static bool made;
	for (size_t i = 0; !made && i < RULES; i++) {
		const char *p = rules[i].prefix;
		pairs[(unsigned char)p[0]][(unsigned char)p[1]] = true;
		for (int upper = 0; rules[i].needs & ANY_CASE && upper < 4; upper++)
			pairs[(unsigned char)p[0] | (upper & 1 ? 0x20 : 0)]
			     [(unsigned char)(upper & 2 ? p[1] : p[1] - 0x20)] = true;
	}
	made = true;
	return pairs[(unsigned char)first][(unsigned char)second];
}

static bool known_shape(struct str t, size_t at, struct secret *out)
{
	if (t.n - at < 2 || !begins_a_rule(t.p[at], t.p[at + 1]))
		return false;
	for (size_t i = 0; i < RULES; i++)
		if (rule_matches(&rules[i], t, at, out))
			return true;
	return false;
}

/* "-----BEGIN … PRIVATE KEY-----" and at least a line of base64; lines may end in \n as JSON spells it. */
static bool private_key(struct str t, size_t at, struct secret *out)
{
	static const struct str begin = {"-----BEGIN ", 11}, what = {"PRIVATE KEY-----", 16};
	struct str rest = {t.p + at, t.n - at};
	if (!str_starts(rest, begin))
		return false;
	const char *title = memmem(rest.p, rest.n < 60 ? rest.n : 60, what.p, what.n);
	if (!title)
		return false;
	size_t head = (size_t)(title - rest.p) + what.n, n = head, base64 = 0;
	for (; n < rest.n && n < VALUE_MOST; n++) {
		char c = rest.p[n];
		if (!letter(c) && !digit(c) && (c == '\0' || !strchr("+/=\\\r\n\t ", c)))
			break;
		base64 += c != '\\' && c != '\r' && c != '\n';
	}
	if (base64 < 64)
		return false;
	*out = (struct secret){.rule = "private key", .at = at, .n = n, .shown = head};
	return true;
}

/* The name that ends before the place, without - and _, in small letters. Quotes and backslashes around it are passed.
 */
static size_t name_before(struct str t, size_t at, char out[NAME_MAX_CHARS + 1])
{
	size_t end = at, n = 0;
	while (end > 0 && t.p[end - 1] == ' ')
		end--;
	while (end > 0 && (t.p[end - 1] == '"' || t.p[end - 1] == '\'' || t.p[end - 1] == '\\'))
		end--;
	size_t start = end;
	while (start > 0 && end - start < NAME_MAX_CHARS && in_alphabet(t.p[start - 1], URL64))
		start--;
	for (size_t i = start; i < end; i++)
		if (t.p[i] != '-' && t.p[i] != '_')
			out[n++] = (char)(t.p[i] >= 'A' && t.p[i] <= 'Z' ? t.p[i] + ('a' - 'A') : t.p[i]);
	out[n] = '\0';
	return n;
}

static bool telling_name(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t length = strlen(names[i]);
		if (n >= length && strcmp(name + n - length, names[i]) == 0)
			return true;
	}
	return false;
}

/* What documentation writes in the place of a key. */
static bool placeholder(struct str v)
{
	static const struct str words[] = {{"your", 4}, {"xxxx", 4}, {"<", 1}, {"example", 7}, {"placeholder", 11}};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (v.n >= words[i].n && strncasecmp(v.p, words[i].p, words[i].n) == 0)
			return true;
	return false;
}

/* `at` is a ':' or '=' : is the value behind it one that its name says is secret? */
static bool named_value(struct str t, size_t at, struct secret *out)
{
	char name[NAME_MAX_CHARS + 1];
	if (!telling_name(name, name_before(t, at, name)))
		return false;
	size_t start = at + 1;
	bool quoted = false;
	while (start < t.n && (t.p[start] == ' ' || t.p[start] == '\\'))
		start++;
	if (start < t.n && strchr("\"'`", t.p[start])) {
		quoted = true;
		start++;
	}
	size_t end = start, digits = 0;
	while (end < t.n && end - start < VALUE_MOST && t.p[end] > ' ' && t.p[end] < 0x7f &&
	       !strchr("\"'`\\,;&<>(){}[]$*", t.p[end]))
		digits += digit(t.p[end++]);
	struct str value = {t.p + start, end - start};
	bool ended = end == t.n || t.p[end] == ' ' || t.p[end] == '\n' || (t.p[end] && strchr("\"'`\\,;&}]", t.p[end]));
	if (!ended || digits == 0 || value.n < (quoted ? VALUE_LEAST : VALUE_LEAST_UNQUOTED) || placeholder(value))
		return false;
	*out = (struct secret){.rule = "value whose name says so", .at = start, .n = value.n};
	struct secret known;
	if (known_shape(t, start, &known))
		*out = known;
	return true;
}

bool secret_next(struct str text, size_t from, struct secret *out)
{
	for (size_t at = from; at < text.n; at++) {
		char c = text.p[at];
		if (known_shape(text, at, out) || (c == '-' && private_key(text, at, out)))
			return true;
		if ((c == ':' || c == '=') && named_value(text, at, out))
			return true;
	}
	return false;
}

void secret_masked(struct str text, const struct secret *secret, struct buf *out)
{
	buf_append(out, text.p + secret->at, secret->shown);
	buf_printf(out, "[masked, %zu bytes]", secret->n - secret->shown);
}

void secrets_mask(struct str text, size_t from, struct buf *out)
{
	struct secret secret;
	while (secret_next(text, from, &secret)) {
		buf_append(out, text.p + from, secret.at - from);
		secret_masked(text, &secret, out);
		from = secret.at + secret.n;
	}
	buf_append(out, text.p + from, text.n - from);
}
