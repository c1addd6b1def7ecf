"""What several pages draw with.

filters          the row of selectors at the top of a page
navigation       links from page to page that keep the selections
charts           the pictures of most pages
vega             what all pictures share: colours, axes, ranges
help_texts       how each number is computed, one text per measure
text             numbers, times and foreign names as text
diff             what differs between two replies
side_by_side     one pair in full
incident_banner  open incidents, and marks on a time axis
empty            what a page shows when there is nothing to show
"""
