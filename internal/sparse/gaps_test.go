package sparse

import "testing"

// TestGapCode: a gap of any length is read back.
func TestGapCode(t *testing.T) {
	for _, code := range []GapCode{PlainGaps, SignGaps} {
		for gap := 1; gap < 2000; gap++ {
			b := code.Append(nil, gap)
			kept, last, err := code.Scan(b)
			if err != nil || kept != 1 || last != gap-1 {
				t.Fatalf("gap %d: %d kept, the last at %d, %v", gap, kept, last, err)
			}
		}
	}
}
