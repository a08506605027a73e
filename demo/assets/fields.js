// Small repairs of the page that every tab needs.
window.ondes = window.ondes || {};

// Gradio's fields of numbers drop what they cannot read; a comma becomes a point before they see it.
document.addEventListener('beforeinput', (event) => {
  const field = event.target;
  if (field.type !== 'number' || event.data !== ',') return;
  event.preventDefault();
  document.execCommand('insertText', false, '.');
}, true);

// A number out of range is named before Gradio moves it to the nearest end.
document.addEventListener('change', (event) => {
  const field = event.target;
  if (field.type !== 'number' || !field.value) return;
  const [low, high] = [field.min, field.max].map((end) => (end === '' ? null : Number(end))), value = Number(field.value);
  let note = field.parentElement.querySelector('.ondes-range');
  if ((low === null || value >= low) && (high === null || value <= high)) { note?.remove(); return; }
  if (!note) { note = document.createElement('span'); note.className = 'ondes-range'; note.setAttribute('role', 'alert'); field.after(note); }
  note.textContent = `${value} is outside ${low} to ${high}; the nearest end is used.`;
}, true);
