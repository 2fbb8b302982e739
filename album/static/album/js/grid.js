/* A grid of pictures, justified to its width, of which only what is near the window exists as elements.

THE PAGE writes (template album/_grid.html does):
  <div data-grid
    data-source="/timeline/items/"    JSON of rows; what it already holds after "?" is kept
    data-months="/timeline/months/"   optional: JSON [["2026-11", 12], …] in the order of the rows. With it the grid is
                                      a timeline: rows are asked for by month, there is a date scrubber, any depth costs
                                      the same. Without it rows follow one another by "next" as far as someone scrolls.
    data-page="/media/0/"             where a picture leads; 0 becomes the id. Empty: to its preview
    data-headings="day"               or "none", as search and albums in an order of their own want it
    data-selectable>                  optional: pictures can be picked (js/selection.js acts on them)
    <ol class="tiles">…</ol>          rows that the server wrote, for those without JavaScript and for the first look
    <a data-older href="…">           the way on without JavaScript
  </div>
  {{ first|json_script:id }} with data-first="id" on the grid: the answer of data-source that the tiles were made of,
  and "months" with it where there are months. Texts are data-text-… attributes of the grid.

A ROW (album.web.rows.grid_row): {
    id, picture, preview              addresses: 400 pixels for the grid, 1600 for the lightbox
    width, height                     of the upright original, never 0
    placeholder                       BlurHash or ""
    kind: "photo"|"video", duration_s, playback      the last two of videos only
    motion                            address of the clip, of motion photos only
    day: "2026-11-21", is_favourite, badges: ["pending"|"processing"|"failed", "motion", "no-preview"], alt
    note                              optional: a line below the picture, such as why a search found it }
AN ANSWER: {"rows": [row, …], "next": cursor or null}. Asked with month=2026-11&before=cursor&limit=… by a timeline,
  with before=cursor otherwise: "before" is whatever "next" was.

EVENTS, all of them bubble from the element:
  album:open       {grid, row, index}  cancelable; a picture was activated. Unless prevented its page is opened.
  album:selection  {grid, ids: Set}    the picked ones changed
  album:rows       {grid}              rows came, went or changed

THE OBJECT, as element.grid:
  count            how many there are; without months, how many are known by now (more_expected says if others follow)
  row(id), row_at(index), index_of(id)     undefined or -1 as long as it is not loaded
  load(index)      promise of the row at index, undefined beyond the end
  reveal(id)       scrolls to it and gives it the focus
  update(id, changes), remove(ids)         after something was changed
  select(ids, on), clear()                 and the Set `selected`
*/
