package format

import (
	"testing"
)

func TestFormats(t *testing.T) {
	for got, want := range map[string]string{
		Count(0): "0", Count(1234567): "1,234,567", Count(999): "999", Count(1000): "1,000",
		Percent(0): "0%", Percent(1): "100%", Percent(0.0004): "<0.1%", Percent(0.9995): ">99.9%", Percent(0.0208): "2.08%", Percent(0.743): "74.3%",
		Number(0): "0", Number(-0.00201): "−0.00201", Number(1.36e-6): "1.36e−6", Number(-5.6e12): "−5.60e12", Number(0.5): "0.500", Number(123.4): "123", Number(12345): "12345",
		Plural(1, "row"): "1 row", Plural(1200, "row"): "1,200 rows",
		Median(1234): "1,234", Median(0.5): "0.5", Median(1001.5): "1,001.5",
		PlainTick(-0.01): "−0.01", PlainTick(0): "0", PercentTick(0.125): "12.5%",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
