package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// column of a table. It is left out where every cell of it is empty.
type column struct {
	title string
	min   int  // it may be cut down to this width where there is no room; 0: it is not cut
	drop  bool // it is left out where there is no room, the last such column first
}

// row is one row of a table, with whole lines that belong under it.
type row struct {
	cells []string
	below []string
	tone  tone // of its first cell
}

const gap = 2 // between columns

// table draws rows, each line at most width characters unless a column that may not be cut needs more. Cells must be clean.
func table(columns []column, rows []row, width int, p painter) string {
	shown, widths := fit(columns, rows, width)
	var b strings.Builder
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	b.WriteString(p.paint(toneTitle, strings.TrimRight(drawn(titles, shown, widths, painter{}, ""), " ")) + "\n")
	for _, r := range rows {
		b.WriteString(strings.TrimRight(drawn(r.cells, shown, widths, p, r.tone), " ") + "\n")
		for _, l := range r.below {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

func drawn(cells []string, shown, widths []int, p painter, t tone) string {
	var b strings.Builder
	for n, i := range shown {
		text := cut(cells[i], widths[n])
		pad := ""
		if n < len(shown)-1 {
			pad = strings.Repeat(" ", widths[n]-utf8.RuneCountInString(text)+gap)
		}
		if n == 0 {
			text = p.paint(t, text)
		}
		b.WriteString(text + pad)
	}
	return b.String()
}

// fit chooses the columns that are shown and their widths. Where there is no room, columns that may be left out are cut and then left out, the
// last one first; only then are the others cut.
func fit(columns []column, rows []row, width int) (shown, widths []int) {
	natural := make([]int, len(columns))
	for i, c := range columns {
		for _, r := range rows {
			natural[i] = max(natural[i], utf8.RuneCountInString(r.cells[i]))
		}
		if natural[i] == 0 && i > 0 {
			continue
		}
		natural[i] = max(natural[i], utf8.RuneCountInString(c.title))
		shown = append(shown, i)
	}
	for {
		widths = widths[:0]
		over := gap*(len(shown)-1) - width
		for _, i := range shown {
			widths = append(widths, natural[i])
			over += natural[i]
		}
		last := -1
		for n, i := range shown {
			if columns[i].drop {
				last = n
			}
		}
		for n := len(shown) - 1; n >= 0; n-- {
			c := columns[shown[n]]
			if over > 0 && c.min > 0 && c.drop == (last >= 0) {
				less := max(0, min(over, widths[n]-c.min))
				widths[n] -= less
				over -= less
			}
		}
		if over <= 0 || last < 0 {
			return shown, widths
		}
		shown = slices.Delete(shown, last, last+1)
	}
}
