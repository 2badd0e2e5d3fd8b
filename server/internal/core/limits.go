package core

import (
	"time"
)

// Limits bound a request. All of them are positive.
type Limits struct {
	MaxBodyBytes   int // of a body, as sent and as unpacked
	MaxUploadBytes int // of an uploaded delta, as sent and as unpacked
	MaxTexts       int // inputs of a request; a pair counts once
	MaxTextBytes   int // of a text, and of each side of a pair, in UTF-8
	MaxTasks       int // tasks that one request names

	RequestTimeout time.Duration // for waiting and computing
	UploadTimeout  time.Duration // for an upload or a copy of a delta, instead of RequestTimeout
	WriteTimeout   time.Duration // for sending an answer
}
