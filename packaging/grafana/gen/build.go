package main

import (
	"cmp"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	sdktable "github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// source is the data source that the first variable chooses.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}

// build makes Grafana's dashboard of a page.
func build(p page) (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder("nodeagent / "+p.title).
		Uid("nodeagent-"+p.name).Description(p.about).Tags([]string{"nodeagent"}).Readonly().
		Time("now-1h", "now").Refresh("30s").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("nodeagent").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{"nodeagent"}).AsDropdown(true).IncludeVars(true).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(variable("cluster", "Cluster", `label_values(nodeagent_status, cluster)`, ".*")).
		WithVariable(variable("job", "Job", `label_values(nodeagent_status{cluster=~"$cluster"}, job)`, ".+")).
		WithVariable(variable("instance", "Instance", `label_values(nodeagent_status{cluster=~"$cluster",job=~"$job"}, instance)`, ".+"))
	for _, x := range p.panels {
		x.empty = cmp.Or(x.empty, p.empty)
		b.WithPanel(panelOf(x))
	}
	return b.Build()
}

// variable of one label. All is a matcher that a missing label fits too where that may be missing.
func variable(name, label, query, all string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source).Query(dashboard.StringOrMap{String: &query}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortNaturalAsc).Multi(true).IncludeAll(true).AllValue(all).
		Current(dashboard.VariableOption{Selected: cog.ToPtr(true), Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}}})
}

func panelOf(p panel) cog.Builder[dashboard.Panel] {
	switch p.kind {
	case number:
		b := stat.NewPanelBuilder().Title(p.title).Description(p.about).Unit(p.unit).NoValue(p.empty).Span(p.width).Height(p.height).Datasource(source).Targets(targets(p)).
			Mappings(mappings(p.values)).Thresholds(thresholds(p)).GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).Orientation(common.VizOrientationAuto).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
		if p.unit == "none" {
			b.Decimals(0) // they are counts, and increase() makes fractions of them
		}
		return b
	case timeline:
		return statetimeline.NewPanelBuilder().Title(p.title).Description(p.about).Unit(p.unit).NoValue(p.empty).Span(p.width).Height(p.height).Datasource(source).Targets(targets(p)).
			Mappings(mappings(p.values)).Thresholds(thresholds(p)).ShowValue(common.VisibilityModeNever).RowHeight(0.8).FillOpacity(80).
			ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).PerPage(rowsOfAPage).Legend(legend()).
			Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle).Sort(common.SortOrderNone))
	case list:
		b := sdktable.NewPanelBuilder().Title(p.title).Description(p.about).Unit(p.unit).NoValue(p.empty).Span(p.width).Height(p.height).Datasource(source).Targets(targets(p)).
			WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
			WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: columns(p)})
		if p.colour != "" {
			b.OverrideByName(p.colour, []dashboard.DynamicConfigValue{
				{Id: "mappings", Value: mappings(p.values)},
				{Id: "thresholds", Value: thresholdsOf(p)},
				{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}},
			})
		}
		if slices.Contains(p.columns, "instance") {
			b.OverrideByName(nameOf(p, "instance"), []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{{"title": "Open the node's dashboard", "url": nodeLink}}}})
		}
		if p.sort != "" {
			b.SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(p.sort).Desc(p.descending)})
		}
		return b
	default:
		b := timeseries.NewPanelBuilder().Title(p.title).Description(p.about).Unit(p.unit).NoValue(p.empty).AxisSoftMin(0).Span(p.width).Height(p.height).Datasource(source).Targets(targets(p)).
			Mappings(mappings(p.values)).Legend(legend()).FillOpacity(8).ShowPoints(common.VisibilityModeAuto).
			Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
		if p.bars {
			b.DrawStyle(common.GraphDrawStyleBars).FillOpacity(60)
		}
		return b
	}
}

// rowsOfAPage of a timeline: more are on further pages, where Grafana is new enough, instead of lines too thin to read.
const rowsOfAPage = 30

// legend is asked for: a panel without one shows none.
func legend() *common.VizLegendOptionsBuilder {
	return common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)
}

func targets(p panel) []cog.Builder[variants.Dataquery] {
	var out []cog.Builder[variants.Dataquery]
	for i, q := range p.queries {
		t := prometheus.NewDataqueryBuilder().Datasource(source).RefId(string(rune('A' + i))).Expr(q.expr).LegendFormat(q.legend).EditorMode(prometheus.QueryEditorModeCode)
		switch p.kind {
		case list:
			t.Instant().Format(prometheus.PromQueryFormatTable)
		case number:
			t.Instant()
		default:
			t.Range()
		}
		out = append(out, t)
	}
	return out
}

func mappings(values []value) []dashboard.ValueMapping {
	if len(values) == 0 {
		return nil
	}
	options := map[string]dashboard.ValueMappingResult{}
	for i, v := range values {
		options[v.number] = dashboard.ValueMappingResult{Text: &v.word, Color: &v.colour, Index: cog.ToPtr(int32(i))}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

func thresholds(p panel) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(thresholdsOf(p).Steps)
}

func thresholdsOf(p panel) dashboard.ThresholdsConfig {
	steps := []dashboard.Threshold{{Color: none}}
	for _, s := range p.from {
		steps = append(steps, dashboard.Threshold{Value: cog.ToPtr(s.above), Color: s.colour})
	}
	return dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: steps}
}

// nodeLink leads from a node's name in a list to its dashboard, at the same time.
const nodeLink = "/d/nodeagent-node?${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}&var-instance=${__value.text}&${__url_time_range}"

// nameOf is what a column of a list is called.
func nameOf(p panel, column string) string {
	for _, n := range p.names {
		if n[0] == column {
			return n[1]
		}
	}
	return column
}

// columns of a list: those that are named, in their order, and Grafana's own time and the labels of every series left out.
func columns(p panel) map[string]any {
	order, hidden, names := map[string]any{}, map[string]any{"Time": true}, map[string]any{}
	wanted := map[string]bool{}
	for i, c := range p.columns {
		order[c], wanted[c] = i, true
	}
	for _, c := range []string{"__name__", "cluster", "job", "instance"} {
		if !wanted[c] {
			hidden[c] = true
		}
	}
	for _, c := range p.hide {
		hidden[c] = true
	}
	for _, n := range p.names {
		names[n[0]] = n[1]
	}
	return map[string]any{"indexByName": order, "excludeByName": hidden, "renameByName": names}
}
