package viz

import (
	"regexp"
	"strconv"
)

// layerNumber finds the number of the layer in a tensor's name, in any architecture: encoder.layer.3.…, transformer.layer.3.…, h.3.…
var layerNumber = regexp.MustCompile(`(?:^|\.)(?:layers?|blocks?|h)\.([0-9]{1,9})\.`)

// splitName returns the type of a tensor, its name with a * in place of the layer's number,
// and that number; -1 if there is none.
func splitName(name string) (kind string, layer int) {
	at := layerNumber.FindStringSubmatchIndex(name)
	if at == nil {
		return name, -1
	}
	layer, err := strconv.Atoi(name[at[2]:at[3]])
	if err != nil { // impossible: at most nine digits
		return name, -1
	}
	return name[:at[2]] + "*" + name[at[3]:], layer
}

// naturalLess orders names with numbers by value, so that layer 10 comes after layer 9.
func naturalLess(a, b string) bool {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			na, errA := strconv.ParseUint(a[:da], 10, 64)
			nb, errB := strconv.ParseUint(b[:db], 10, 64)
			if errA == nil && errB == nil && na != nb {
				return na < nb
			}
			if a[:da] != b[:db] {
				return a[:da] < b[:db]
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) < len(b)
}

// digits returns the number of digits at the beginning of s.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
