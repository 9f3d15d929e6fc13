package android.view;

import android.content.Context;

/** Pretended. */
public class View {
    public View(Context context) {}

    public void setBackgroundColor(int color) {}
}
