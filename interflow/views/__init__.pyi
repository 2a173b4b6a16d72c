from .evolution import evolution as evolution
from .fitting import fit_report as fit_report
from .page import widget as widget
from .page import write_page as write_page
