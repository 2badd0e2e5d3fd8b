package callbody

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The most bytes that the parts of a decoded message take in memory. A list grows by
// copying, so that its elements count twice.
const (
	messageBytes = 256 // a struct of generated code, and the pointer to it
	entryBytes   = 512 // an entry of a map, with its share of the map's growth
	stringBytes  = 2 * 24
	scalarBytes  = 2 * 8
	maxDepth     = 100 // below that, decoding fails: the depth of protobuf is 10,000
)

// decodedBytes bounds what the message type makes of wire bytes. Two bytes of an empty
// message in a list become hundreds, so the size of the wire says little. Bytes that are
// not valid end the count; decoding fails there too.
func decodedBytes(wire []byte, message protoreflect.MessageDescriptor) int64 {
	return countMessage(wire, message, 0)
}

func countMessage(wire []byte, message protoreflect.MessageDescriptor, depth int) int64 {
	sum := int64(messageBytes)
	if depth > maxDepth {
		return sum + int64(len(wire))*messageBytes
	}
	fields := message.Fields()
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return sum
		}
		size := protowire.ConsumeFieldValue(number, kind, wire[n:])
		if size < 0 {
			return sum
		}
		value := wire[n : n+size]
		wire = wire[n+size:]
		field := fields.ByNumber(number)
		switch {
		case field == nil:
			sum += 2 * int64(n+size) // unknown fields are kept as they are
		case kind != protowire.BytesType:
			sum += scalarBytes
		default:
			content, _ := protowire.ConsumeBytes(value)
			switch {
			case field.IsMap():
				sum += entryBytes + countMessage(content, field.Message(), depth+1)
			case field.Message() != nil:
				sum += countMessage(content, field.Message(), depth+1)
			case field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
				// The field, and the string that its text becomes later.
				sum += 2 * (stringBytes + int64(len(content)))
			default: // packed numbers of at least a byte
				sum += scalarBytes * int64(len(content))
			}
		}
	}
	return sum
}
