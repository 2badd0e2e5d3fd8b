package core

import "time"

// Limits bound a request. All of them are positive.
type Limits struct {
	MaxBodyBytes   int // of a body, as sent and as decoded
	MaxUploadBytes int // of an uploaded delta, as sent and as decoded
	MaxTexts       int // inputs of a request; a pair counts once
	MaxTextBytes   int // UTF-8 bytes of a text, and of each text of a pair
	MaxTasks       int // tasks that one request names

	RequestTimeout time.Duration // waiting and computing
	UploadTimeout  time.Duration // instead of RequestTimeout, for uploading or copying a delta
	WriteTimeout   time.Duration // sending an answer
}
