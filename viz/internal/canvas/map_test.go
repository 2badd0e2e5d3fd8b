package canvas

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIndexTicks(t *testing.T) {
	for _, test := range []struct {
		first, n int
		want     []int
	}{
		{0, 1, []int{0}}, {0, 5, []int{0, 1, 2, 3, 4}}, {227, 48, []int{230, 240, 250, 260, 270}},
		{0, 384, []int{0, 100, 200, 300}}, {0, 30522, []int{0, 10000, 20000, 30000}}, {7, 2, []int{7, 8}},
	} {
		if diff := cmp.Diff(test.want, indexTicks(test.first, test.n)); diff != "" {
			t.Errorf("%d rows from %d: %s", test.n, test.first, diff)
		}
	}
}
