package sys

import (
	"os"
	"path/filepath"
	"testing"
)

func TestZoneOffset(t *testing.T) {
	const winter, summer = 1795201436, 1781956800 // 20 November and 20 June 2026
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, ruleZone("ABC-2:30"), 0o644); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("no zone"), 0o644); err != nil {
		t.Fatal(err)
	}
	const h = 3600
	tests := []struct {
		tz             string
		winter, summer int
	}{
		{"", 0, 0},
		{":", 0, 0},
		{"UTC0", 0, 0},
		{"XXX-5:30", 5*h + 1800, 5*h + 1800},
		{"YYY+3:45", -3*h - 2700, -3*h - 2700},
		{"ZZZ-14", 14 * h, 14 * h},
		{"ABC-0:00:05", 5, 5},
		{"<+03>-3", 3 * h, 3 * h},
		{"EST5EDT", -5 * h, -4 * h},
		{"QQQ5RRR", -5 * h, -4 * h}, // the rules of the United States
		{":QQQ5RRR", -5 * h, -4 * h},
		{"CET-1CEST,M3.5.0,M10.5.0/3", h, 2 * h},
		{"AAA3BBB,J60/0,J300/0", -3 * h, -2 * h},
		{file, 2*h + 1800, 2*h + 1800},
		{":" + file, 2*h + 1800, 2*h + 1800},
		{bad, 0, 0},
		{"/absent", 0, 0},
		{"no zone", 0, 0},
		{"XY5", 0, 0},
		{"Local", 0, 0},
		{"..", 0, 0},
		{"a\nb", 0, 0},
	}
	for _, tt := range tests {
		if got := ZoneOffset(tt.tz, true, winter); got != tt.winter {
			t.Errorf("ZoneOffset(%q) in winter = %d, want %d", tt.tz, got, tt.winter)
		}
		if got := ZoneOffset(tt.tz, true, summer); got != tt.summer {
			t.Errorf("ZoneOffset(%q) in summer = %d, want %d", tt.tz, got, tt.summer)
		}
	}
	// Whatever /etc/localtime says, it is no more than a day.
	if got := ZoneOffset("ignored", false, winter); got < -24*h || got > 24*h {
		t.Errorf("ZoneOffset without TZ = %d", got)
	}
	if _, err := os.Stat(zoneDir + "Asia/Kolkata"); err == nil {
		if got := ZoneOffset("Asia/Kolkata", true, summer); got != 5*h+1800 {
			t.Errorf("ZoneOffset(Asia/Kolkata) = %d, want %d", got, 5*h+1800)
		}
	}
}
