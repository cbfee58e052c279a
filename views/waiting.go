package views

import (
	"context"
	"waybill/db/model"
	"waybill/views/texts"
	"waybill/views/ui"
)

// Why a delivery waits although it is due, in words: short for a list, a title and a sentence for its page.

func waitingShort(ctx context.Context, why string) string {
	switch why {
	case "order":
		return say(ctx, "waits for its turn")
	case "breaker":
		return say(ctx, "paused: keeps failing")
	case "rate":
		return say(ctx, "waits for the rate limit")
	case "concurrency":
		return say(ctx, "waits for a free place")
	case "batch":
		return say(ctx, "waits for others")
	case "outcome":
		return say(ctx, "taken; outcome not told yet")
	}
	return "waits"
}

func waitingTitle(why string) string {
	switch why {
	case "order":
		return "It waits for its turn"
	case "breaker":
		return "Nothing is sent there for now"
	case "rate":
		return "It waits for the rate limit"
	case "concurrency":
		return "It waits for a free place"
	case "batch":
		return "It waits for others to go along"
	case "outcome":
		return "It was taken, and waits for its outcome"
	}
	return "It waits"
}

func waitingText(why string) string {
	switch why {
	case "order":
		return "The destination gets messages in order, and an earlier one of the same subject is not settled."
	case "breaker":
		return "The other side failed too often, so it is left alone for a while; then one message tries whether it works again. Waiting uses up no attempt. Retrying by hand sends this one at once; if it fails, the pause is no longer than it was."
	case "rate":
		return "The destination takes only so many messages a second. Waiting uses up no attempt."
	case "concurrency":
		return "As many requests as allowed are under way; it goes when one of them ends."
	case "batch":
		return "The destination gets several events in one message; it goes when there are enough of them, or when the time to wait is over."
	case "outcome":
		return "The other side accepted the message and works on it. It is asked what became of it, less and less often, for up to a day; only then is the delivery settled. Retrying by hand sends it once more."
	}
	return ""
}

// waitedWords say how long a message was kept waiting before an attempt, and for what.
func waitedWords(ctx context.Context, t model.Timings) string {
	what := map[string]string{"order": texts.ID("its turn"), "breaker": texts.ID("the other side to recover"), "rate": texts.ID("the rate limit"), "concurrency": texts.ID("a free place"), "batch": texts.ID("others to go along")}[t.WaitedFor]
	return say(ctx, "{time} for {what}", "time", ui.Lasted(ctx, micros(t.Waited)), "what", say(ctx, what))
}
