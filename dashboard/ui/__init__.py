"""What several pages show.

selection        widgets whose values are kept in the page's address
filters          the row of pickers at the top of a page
navigation       links from page to page that keep the selections
interval_charts  charts of a share with its interval
vega             what all charts share: colours, axes, ranges
help_texts       how each number is computed, one text per measure
text             numbers, times and untrusted names as text
diff             what differs between two replies, as inert HTML
incident_banner  open incidents, and when the monitor last reported
empty_states     what a page shows when there is no data, or no database
"""
