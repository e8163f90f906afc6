package headers

import "github.com/wikiveil/wikiveil/noticeboard"

// AnyKind stands for a request that doesn't tell what it is for.
const AnyKind noticeboard.Kind = ""

// EventsKind is the use of an EventSource; to the board it is a stream of data.
const EventsKind noticeboard.Kind = "events"

// EventStream is the type of what an EventSource reads.
const EventStream = "text/event-stream"
