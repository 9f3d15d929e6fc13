package android.view;

import android.content.ContextWrapper;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class ContextThemeWrapper extends ContextWrapper {

}
