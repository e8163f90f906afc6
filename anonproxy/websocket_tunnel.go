package anonproxy

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// tunnel passes messages between a reader and a tool. Each side is a websocket of
// its own: how messages were cut into frames, pings, and the words of a close end
// at the proxy.
type tunnel struct {
	p            *Proxy
	s            *stream
	up           *upstream
	client       string
	inspect      func([]byte) *refusal.Refusal
	reader, tool *websocket.Conn
}

// ending is why a tunnel ends.
type ending struct {
	outcome string
	code    websocket.StatusCode // for the reader
	reason  string               // for the reader, our words
}

// The tool is told the same whatever the reader did.
const codeForTool = websocket.StatusNormalClosure

// run returns when both sides are closed and nothing is at work any more.
func (t *tunnel) run() string {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.s.ctx)) // a canceled read would break the connection off
	defer cancel()
	t.reader.SetReadLimit(t.up.maxMessage())
	t.tool.SetReadLimit(min(maxMessage, t.up.maxSize))
	ends := make(chan ending, 4)
	var work sync.WaitGroup
	work.Go(func() { ends <- t.fromReader(ctx) })
	work.Go(func() { ends <- t.fromTool(ctx) })
	work.Go(func() {
		ends <- t.keepAlive(ctx, t.reader, ending{outcome: outcomes.Canceled, code: websocket.StatusGoingAway})
	})
	work.Go(func() {
		ends <- t.keepAlive(ctx, t.tool, ending{outcomes.Timeout, websocket.StatusInternalError, errTimeout.Error()})
	})
	var end ending
	select {
	case end = <-ends:
	case <-t.s.ctx.Done():
		end = t.ended()
	}
	t.s.end(nil) // nothing is passed on from here
	var closing sync.WaitGroup
	closing.Go(func() { _ = t.reader.Close(end.code, end.reason) })
	closing.Go(func() { _ = t.tool.Close(codeForTool, "") })
	closing.Wait()
	cancel()
	work.Wait()
	return end.outcome
}

// ended says how a stream ends that had to.
func (t *tunnel) ended() ending {
	switch refused := t.s.ended(); {
	case refused == nil:
		return ending{outcome: outcomes.Canceled, code: websocket.StatusGoingAway}
	case refused.Error() == errRestart.Error():
		return ending{outcomes.OK, websocket.StatusServiceRestart, refused.Error()}
	default:
		return ending{refused.Reason, websocket.StatusPolicyViolation, closeReason(refused.Error())}
	}
}

// fromReader passes on what the reader says until that ends.
func (t *tunnel) fromReader(ctx context.Context) ending {
	for {
		body := &requestBody{memory: &t.p.bodies, shares: &t.p.shares, client: t.client, limit: t.up.maxMessage()}
		if end := t.pass(ctx, body); end != nil {
			return *end
		}
	}
}

// pass passes one message of the reader's on, whose memory counts as that of a POST's body does.
func (t *tunnel) pass(ctx context.Context, body *requestBody) *ending {
	defer body.done()
	kind, err := t.readInto(ctx, body)
	message := body.data
	var refused *refusal.Refusal
	switch {
	case errors.As(err, &refused):
		return &ending{refused.Reason, websocket.StatusTryAgainLater, closeReason(refused.Error())}
	case errors.Is(err, websocket.ErrMessageTooBig):
		return &ending{outcomes.RefusedRequest, websocket.StatusMessageTooBig, "the message is too large"}
	case err != nil: // closed in one way or another
		return &ending{outcome: outcomes.OK, code: websocket.StatusNormalClosure}
	case kind == websocket.MessageText && !utf8.Valid(message):
		return &ending{outcomes.RefusedRequest, websocket.StatusInvalidFramePayloadData, "the message isn't UTF-8"}
	}
	if refused := t.inspect(message); refused != nil {
		return &ending{refused.Reason, websocket.StatusPolicyViolation, closeReason(refused.Error())}
	}
	if t.s.ctx.Err() != nil {
		end := t.ended()
		return &end
	}
	if err := t.write(ctx, t.tool, kind, message); err != nil {
		return &ending{outcomes.Unreachable, websocket.StatusInternalError, "the tool takes no more"}
	}
	return nil
}

// readInto reads a whole message. The error may be a refusal.
func (t *tunnel) readInto(ctx context.Context, body *requestBody) (websocket.MessageType, error) {
	kind, in, err := t.reader.Reader(ctx)
	for err == nil {
		if len(body.data) == cap(body.data) {
			if refused := body.grow(0); refused != nil {
				return kind, refused
			}
		}
		var n int
		n, err = in.Read(body.data[len(body.data):cap(body.data)])
		body.data = body.data[:len(body.data)+n]
	}
	if err == io.EOF {
		err = nil
	}
	return kind, err
}

// fromTool passes on what the tool says until that ends.
func (t *tunnel) fromTool(ctx context.Context) ending {
	for {
		kind, message, err := t.tool.Read(ctx)
		switch {
		case errors.Is(err, websocket.ErrMessageTooBig):
			return ending{outcomes.TooLarge, websocket.StatusMessageTooBig, "the tool's message is too large"}
		case err != nil:
			return toolClosed(err)
		case kind == websocket.MessageText && !utf8.Valid(message):
			return ending{outcomes.RefusedResponse, websocket.StatusInternalError, "the tool's message isn't UTF-8"}
		}
		if t.s.ctx.Err() != nil {
			return t.ended()
		}
		if err := t.write(ctx, t.reader, kind, message); err != nil {
			return ending{outcome: outcomes.Canceled, code: websocket.StatusGoingAway}
		}
	}
}

// toolClosed keeps of how the tool closed only whether it was in order: the rest
// would be a message that nobody has looked at.
func toolClosed(err error) ending {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return ending{outcome: outcomes.OK, code: websocket.StatusNormalClosure}
	case -1:
		return ending{outcomes.Unreachable, websocket.StatusInternalError, "the tool broke the websocket off"}
	}
	return ending{outcomes.ToolError, websocket.StatusInternalError, "the tool closed the websocket with an error"}
}

// write sends a message as one frame to a side that takes it in time.
func (t *tunnel) write(ctx context.Context, to *websocket.Conn, kind websocket.MessageType, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, t.up.timeout)
	defer cancel()
	return to.Write(ctx, kind, message)
}

// keepAlive asks a side for signs of life. Their times depend on when the
// websocket was opened and on nothing else.
func (t *tunnel) keepAlive(ctx context.Context, side *websocket.Conn, dead ending) ending {
	tick := time.NewTicker(t.p.cfg.IdleTimeout)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return dead
		case <-t.s.ctx.Done():
			return dead
		case <-tick.C:
		}
		alive, cancel := context.WithTimeout(ctx, t.up.timeout)
		err := side.Ping(alive)
		cancel()
		if err != nil {
			return dead
		}
	}
}

// closeReason cuts a reason to what a close frame has room for (RFC 6455 section 5.5).
func closeReason(reason string) string {
	return reason[:min(len(reason), 123)]
}
